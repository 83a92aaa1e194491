import ArgumentParser
import ChatModel
import Dispatch
import GatewaySimulator

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the `simulate` commands have in common.
enum StandIn {
    /// A value of a JSON line.
    enum Value { case text(String), number(Int) }

    /// EX_UNAVAILABLE of sysexits.h.
    static let unavailable: Int32 = 69

    /// Starts a stand-in; a port that is taken ends the program with 69, a bad file with 64.
    static func start<Server>(_ body: () async throws -> Server) async throws -> Server {
        do {
            return try await body()
        } catch let error as SimulatorError {
            guard error.code == .cannotListen else { throw ValidationError(error.description) }
            write("chat-worker: \(error)\n", to: STDERR_FILENO)
            throw ExitCode(unavailable)
        }
    }

    /// The first line of output; scripts wait for it.
    static func announce(kind: String, url: String, port: Int, json: Bool) {
        print(
            json: json,
            [("event", .text("ready")), ("kind", .text(kind)), ("url", .text(url)), ("port", .number(port))],
            human: "READY \(url)")
    }

    static func print(json: Bool, _ members: [(String, Value)], human: String) {
        var line = human
        if json {
            let object = JSONValue.object(
                members.map { key, value in
                    switch value {
                    case .text(let text): .init(key, .string(text))
                    case .number(let number): .init(key, .integer(number))
                    }
                })
            line = String(decoding: object.serialized(), as: UTF8.self)
        }
        write(line + "\n", to: STDOUT_FILENO)
    }

    /// Unbuffered, so that a script that reads a pipe sees every line at once.
    private static func write(_ text: String, to descriptor: CInt) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
            guard written > 0 else { return }
            rest = rest.dropFirst(written)
        }
    }

    /// Returns at SIGINT or SIGTERM, or when the task is cancelled.
    static func untilToldToStop() async {
        let (signals, continuation) = AsyncStream.makeStream(of: Void.self)
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.finish() }
            source.resume()
            return source
        }
        for await _ in signals {}
        for source in sources { source.cancel() }
    }
}

/// `write(2)`, which a function named `write` would hide.
private func systemWrite(_ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
