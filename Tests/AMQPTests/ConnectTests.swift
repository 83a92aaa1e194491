import Glibc
import Synchronization
import TestSupport
import Testing

@testable import AMQP

/// What is asked and told when a connection is made.
@Suite struct ConnectTests {
    /// A port at which nobody listens.
    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) + getsockname(descriptor, $0, &length)
            }
        }
        try #require(code == 0)
        return Int(UInt16(bigEndian: address.sin_port))
    }

    @Test(arguments: ["127.0.0.1", "localhost"])
    func aRefusalTellsWhatToLookAt(host: String) throws {
        let port = try Self.freePort()
        let configuration = AMQPConfiguration(addresses: [.init(host: host, port: port)])
        let error = try #require(#expect(throws: AMQPError.self) { try AMQPSession(configuration: configuration) })
        #expect(error.code == .unreachable)
        #expect(error.message.hasPrefix("\(host):\(port) cannot be reached: connection refused; is the broker running"))
    }

    @Test func aNameThatIsNone() throws {
        let configuration = AMQPConfiguration(addresses: [.init(host: "none.invalid", port: 5672)])
        let error = try #require(#expect(throws: AMQPError.self) { try AMQPSession(configuration: configuration) })
        #expect(error.message.contains("none.invalid cannot be resolved; look at its spelling"))
    }

    @Test(
        arguments: [
            (ECONNREFUSED, .refused), (EHOSTUNREACH, .noRoute), (ENETUNREACH, .noRoute), (ETIMEDOUT, .silent),
            (EACCES, .other("Permission denied")),
        ] as [(Int32, ConnectProblem)])
    func codes(_ code: Int32, _ problem: ConnectProblem) {
        #expect(ConnectProblem(code) == problem)
        #expect(!problem.text.isEmpty && !problem.advice.isEmpty)
    }

    /// Something that is no broker answers.
    @Test func aPortOfAnotherServiceIsNamed() throws {
        let broker = try TestBroker.named("trouble")
        let tls = try AMQPConfiguration(url: broker.tlsURL).addresses[0].port
        var configuration = try AMQPConfiguration(url: broker.url)
        configuration.timeout = .seconds(3)
        configuration.addresses[0].port = tls
        let error = try #require(#expect(throws: AMQPError.self) { try AMQPSession(configuration: configuration) })
        #expect(error.message.contains("A TLS port needs amqps://"), "\(error)")
    }

    /// Asked at each connect; a failure is a failed connect, and what comes next is taken.
    @Test func thePasswordIsAskedAtEachConnect() async throws {
        let broker = try TestBroker.named("trouble")
        var configuration = try AMQPConfiguration(url: broker.url)
        configuration.reconnectMost = .milliseconds(100)
        configuration.password = "not asked"
        let asked = Mutex(0)
        configuration.passwordSource = PasswordSource(place: "a test") { () throws(AMQPError) in
            let number = asked.withLock { asked in
                asked += 1
                return asked
            }
            switch number {
            case 1: throw AMQPError(.configuration, "there is none")
            case 2: return "wrong"
            case 3: return "gu\u{0}est"
            default: return "guest"
            }
        }
        let recorder = PublisherRecorder()
        let publisher = PublisherConnection(configuration: configuration, window: 1, driver: recorder, logger: quiet)
        try publisher.start()
        try await recorder.saw(.opened(1))
        let failures = recorder.log.events.compactMap { if case .failed(let error) = $0 { error } else { nil } }
        #expect(failures.map(\.code) == [.configuration, .accessRefused, .configuration])
        #expect(failures[1].message.hasSuffix("at the password in a test: it is read again at each connect"))
        #expect(!failures.contains { "\($0)".contains("wrong") })
        await publisher.close(deadline: .seconds(5))
        let session = try AMQPSession(configuration: configuration)
        session.close()
        #expect(asked.withLock { $0 } == 5)
    }
}
