import ArgumentParser

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Files given on the command line.
enum TextFile {
    /// The whole file; throws a `ValidationError` that names it.
    static func contents(_ path: String) throws -> String {
        guard let file = fopen(path, "r") else {
            throw ValidationError("cannot read \(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
            bytes += buffer[..<count]
        }
        guard ferror(file) == 0, let text = String(validating: bytes, as: UTF8.self) else {
            throw ValidationError("\(path) is not a UTF-8 text file.")
        }
        return text
    }

    /// Its lines without white space around them, without empty ones.
    static func lines(_ path: String) throws -> [String] {
        try contents(path).split(whereSeparator: \.isNewline)
            .map { line in
                let start = line.drop(while: \.isWhitespace)
                return String(start.reversed().drop(while: \.isWhitespace).reversed())
            }
            .filter { !$0.isEmpty }
    }
}
