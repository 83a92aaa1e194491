/// Cuts a text into tokens of a few scalars, words with the space before them, and escapes them on the way.
struct TokenCutter {
    private(set) var wire: [UInt8] = []
    private(set) var wireEnds: [Int] = []
    private(set) var text: [UInt8] = []
    private(set) var textEnds: [Int] = []
    private(set) var endsInHalf: Set<Int> = []

    private let style: TokenScript.Style
    private var generator: SeededGenerator
    private var scalarsInToken = 0
    private var tokenHasLetters = false
    private var limit = 4

    init(style: TokenScript.Style) {
        self.style = style
        self.generator = SeededGenerator(seed: style.seed)
    }

    mutating func append(_ scalar: Unicode.Scalar) {
        let isSpace = scalar == " " || scalar == "\n"
        if scalarsInToken >= limit || (isSpace && tokenHasLetters) {
            endToken()
        }
        appendEscaped(scalar)
        scalarsInToken += 1
        tokenHasLetters = tokenHasLetters || !isSpace
    }

    mutating func endToken() {
        guard wire.count > (wireEnds.last ?? 0) else { return }
        wireEnds.append(wire.count)
        textEnds.append(text.count)
        scalarsInToken = 0
        tokenHasLetters = false
        limit = Int.random(in: 1...7, using: &generator)
    }

    private mutating func appendEscaped(_ scalar: Unicode.Scalar) {
        let isWide = scalar.value > 0xFFFF
        if isWide, style.splitSurrogates {
            appendUnits(of: scalar, splitting: true)
        } else if isChosen(scalar) {
            if scalar == "/" {
                wire.append(contentsOf: [0x5C, 0x2F])
            } else {
                appendUnits(of: scalar, splitting: false)
            }
        } else {
            JSONEscaping.appendRequired(scalar, to: &wire)
        }
        text.append(contentsOf: Array(String(scalar).utf8))
    }

    private mutating func isChosen(_ scalar: Unicode.Scalar) -> Bool {
        switch style.escape {
        case .none: false
        case .some:
            scalar.value < 0x80 ? Int.random(in: 0..<16, using: &generator) == 0 : Bool.random(using: &generator)
        case .all: scalar.value >= 0x80 || scalar == "/"
        }
    }

    private mutating func appendUnits(of scalar: Unicode.Scalar, splitting: Bool) {
        for (index, unit) in UTF16.encode(scalar).map(Array.init)?.enumerated() ?? [].enumerated() {
            if splitting, index == 1 {
                endsInHalf.insert(wireEnds.count)
                endToken()
            }
            let uppercase = style.escape == .some && Bool.random(using: &generator)
            JSONEscaping.appendUnit(unit, uppercase: uppercase, to: &wire)
        }
    }
}
