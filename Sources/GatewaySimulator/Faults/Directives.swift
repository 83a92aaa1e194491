/// What one request asks of the simulator: its key `x_simulate`, or what follows `simulate=` in its `user`.
///
/// A comma-separated list of faults (`cut:5@1`), `tokens:N`, `rate:TOKENS-PER-SECOND` and `first-token:MS`. The
/// ordinals of its faults count the requests of the same `user`, so that a job can fail once and then succeed.
struct Directives: Sendable, Equatable {
    var faults: [FaultRule] = []
    var tokens: Int?
    var tokensPerSecond: Double?
    var firstTokenMilliseconds: Int?

    init() {}

    init(parsing text: String) throws(Fault.ParseError) {
        for word in text.split(separator: ",") {
            let item = String(word.drop { $0 == " " })
            let value = item.firstIndex(of: ":").map { item[item.index(after: $0)...] } ?? ""
            switch item.prefix(while: { $0 != ":" }) {
            case "tokens":
                guard let count = Int(value), count >= 0 else {
                    throw .init(description: "\(item): the form is tokens:N")
                }
                tokens = count
            case "rate":
                guard let rate = Double(value), rate >= 0, rate.isFinite else {
                    throw .init(description: "\(item): the form is rate:TOKENS-PER-SECOND")
                }
                tokensPerSecond = rate
            case "first-token":
                guard let wait = Int(value), (0...86_400_000).contains(wait) else {
                    throw .init(description: "\(item): the form is first-token:MILLISECONDS")
                }
                firstTokenMilliseconds = wait
            default:
                faults.append(try FaultRule(parsing: item))
            }
        }
    }
}
