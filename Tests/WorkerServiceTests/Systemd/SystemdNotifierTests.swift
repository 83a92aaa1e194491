import Foundation
import ServiceLifecycle
import Synchronization
import Testing

@testable import WorkerService

@Suite struct SystemdNotifierTests {
    private static func environment(_ variables: [String: String]) -> ConfigurationEnvironment {
        ConfigurationEnvironment(variable: { variables[$0] }, processID: 42)
    }

    @Test(arguments: [false, true]) func sendsEveryMessage(isAbstract: Bool) async throws {
        let folder = try TemporaryFolder()
        let name = isAbstract ? "@chat-worker-\(UUID().uuidString)" : "\(folder.path)/notify"
        let socket = try #require(DatagramSocket(name))
        let notifier = SystemdNotifier(in: Self.environment(["NOTIFY_SOCKET": name]))
        #expect(notifier.isActive && notifier.watchdogInterval == nil)
        #expect(notifier.ready(status: "3 jobs"))
        #expect(await socket.receive() == ["READY=1", "STATUS=3 jobs"])
        #expect(notifier.ready())
        #expect(await socket.receive() == ["READY=1"])
        #expect(notifier.status("a\nREADY=1\u{0}"))
        #expect(await socket.receive() == ["STATUS=a READY=1 "])
        #expect(notifier.watchdog())
        #expect(await socket.receive() == ["WATCHDOG=1"])
        #expect(notifier.watchdog(status: "한국어"))
        #expect(await socket.receive() == ["WATCHDOG=1", "STATUS=한국어"])
        #expect(notifier.stopping(status: "draining"))
        #expect(await socket.receive() == ["STOPPING=1", "STATUS=draining"])
        #expect(notifier.extendTimeout(by: .milliseconds(1_500)))
        #expect(await socket.receive() == ["EXTEND_TIMEOUT_USEC=1500000"])
        #expect(notifier.reloading())
        let reloading = try #require(await socket.receive())
        #expect(reloading.first == "RELOADING=1")
        let time = try #require(reloading.last).dropFirst("MONOTONIC_USEC=".count)
        #expect(try #require(UInt64(time)) > 0)
    }

    @Test(arguments: [nil, "", "relative", "@", "/" + String(repeating: "x", count: 108), "vsock:2:1"] as [String?])
    func isSilentWithoutASocket(name: String?) {
        let notifier = SystemdNotifier(
            in: Self.environment(name.map { ["NOTIFY_SOCKET": $0, "WATCHDOG_USEC": "1000"] } ?? [:]))
        #expect(!notifier.isActive && notifier.watchdogInterval == nil)
        #expect(!notifier.ready() && !notifier.status("x") && !notifier.extendTimeout(by: .seconds(1)))
    }

    /// An abstract name ends with the length (a NUL more would be another name), a path with a NUL; unix(7).
    @Test(arguments: [("@ab", [0, 97, 98], 5), ("/ab", [47, 97, 98], 6)] as [(String, [UInt8], Int)])
    func addressLength(name: String, bytes: [UInt8], length: Int) throws {
        let address = try #require(NotifyAddress(name))
        #expect(address.bytes == bytes && address.withSocketAddress { Int($1) } == length)
    }

    @Test func nobodyListening() throws {
        let folder = try TemporaryFolder()
        let notifier = SystemdNotifier(in: Self.environment(["NOTIFY_SOCKET": "\(folder.path)/gone"]))
        #expect(notifier.isActive && !notifier.ready())
    }

    @Test(
        arguments: [
            (["WATCHDOG_USEC": "30000000"], .seconds(15)),
            (["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"], .seconds(15)),
            (["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"], nil), (["WATCHDOG_USEC": "0"], nil),
            (["WATCHDOG_USEC": "x"], nil), (["WATCHDOG_USEC": "-5"], nil), ([:], nil),
        ] as [([String: String], Duration?)])
    func watchdogInterval(variables: [String: String], interval: Duration?) {
        let variables = variables.merging(["NOTIFY_SOCKET": "/run/x"]) { left, _ in left }
        #expect(SystemdNotifier(in: Self.environment(variables)).watchdogInterval == interval)
    }

    /// The watchdog is fed while the worker is healthy, and only then.
    @Test(.timeLimit(.minutes(1))) func reporter() async throws {
        let folder = try TemporaryFolder()
        let name = "\(folder.path)/notify"
        let socket = try #require(DatagramSocket(name))
        let notifier = SystemdNotifier(in: Self.environment(["NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000"]))
        let isHealthy = Atomic(true)
        let reporter = SystemdReporter(
            notifier: notifier, interval: .seconds(60), isHealthy: { isHealthy.load(ordering: .relaxed) },
            status: { "running" })
        let task = Task { await reporter.run() }
        #expect(await socket.receive() == ["WATCHDOG=1", "STATUS=running"])
        #expect(await socket.receive() == ["WATCHDOG=1", "STATUS=running"])
        isHealthy.store(false, ordering: .relaxed)
        // What was already under way may still come.
        var message = await socket.receive()
        for _ in 0..<20 where message?.first == "WATCHDOG=1" { message = await socket.receive() }
        #expect(message == ["STATUS=running"])
        task.cancel()
        await task.value
    }
}
