import AMQP
import ArgumentParser
import WorkerService

/// What commands that read `worker.conf` have in common.
struct ConfigurationOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: ArgumentHelp("The configuration.", valueName: "file"))
    var config = "/etc/chat-worker/worker.conf"

    /// Reads the file; every mistake is printed, and ends the program with 78.
    func load() throws -> WorkerConfiguration {
        try Exit.mapping { try WorkerConfiguration.load(path: config) }
    }
}

/// Exit codes of sysexits.h, and the errors that they stand for.
enum Exit {
    static let usage: Int32 = 64
    static let unavailable: Int32 = 69
    static let bug: Int32 = 70
    /// EX_IOERR
    static let output: Int32 = 74
    static let configuration: Int32 = 78

    /// Runs `body`; an error is printed in one line (or one a mistake) and becomes the exit code of its kind.
    static func mapping<Value>(_ body: () throws -> Value) throws -> Value {
        do { return try body() } catch { throw failure(error) }
    }

    static func mapping<Value>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch { throw failure(error) }
    }

    private static func failure(_ error: any Error) -> any Error {
        switch error {
        case let errors as ConfigurationErrors:
            Output.error(errors.description)
            return ExitCode(configuration)
        case let error as AMQPError:
            Output.error("chat-worker: broker: \(error)")
            if error.code == .channelClosed, error.replyCode == 403 {
                Output.error(
                    "chat-worker: that user has not the right to this; `chat-worker topology --permissions` prints what the "
                        + "worker's own user has to have, `rabbitmqctl list_user_permissions USER` what one has")
            }
            return ExitCode(error.code == .configuration ? configuration : unavailable)
        case let error as JobSender.Failure:
            Output.error("chat-worker: \(error)")
            return ExitCode(unavailable)
        case let error as Unavailable:
            Output.error("chat-worker: \(error)")
            return ExitCode(unavailable)
        case is ExitCode, is ValidationError, is CleanExit: return error
        default:
            Output.error("chat-worker: \(error)")
            return ExitCode(bug)
        }
    }
}

/// Text from others on a terminal: control characters cannot drive it.
func printable(_ text: String) -> String {
    String(
        String.UnicodeScalarView(
            text.unicodeScalars.map { scalar in
                scalar.value < 0x20 && scalar != "\n" && scalar != "\t" || (0x7F...0x9F).contains(scalar.value)
                    ? "\u{FFFD}" : scalar
            }))
}

/// A time on the command line: `90`, `90s`, `2m`.
struct Seconds: ExpressibleByArgument, CustomStringConvertible {
    var duration: Duration

    init(_ seconds: Int) { duration = .seconds(seconds) }

    init?(argument: String) {
        let unit = argument.last.map { $0 == "m" ? 60 : 1 } ?? 1
        let digits = argument.last.map { $0 == "s" || $0 == "m" ? argument.dropLast() : argument[...] } ?? ""
        guard let number = Int(digits), (1...1_000_000).contains(number) else { return nil }
        duration = .seconds(number * unit)
    }

    var description: String { "\(duration.components.seconds)s" }
    var defaultValueDescription: String { description }
}
