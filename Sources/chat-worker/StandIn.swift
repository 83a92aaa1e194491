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
            Output.error("chat-worker: \(error)")
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
        Output.print(line)
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
