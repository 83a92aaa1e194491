import Testing

@testable import AMQP

@Suite struct AMQPConfigurationURLTests {
    struct Good: Sendable, CustomTestStringConvertible {
        var url: String
        var host = "127.0.0.1"
        var port = 5672
        var user = "guest"
        var password = "guest"
        var virtualHost = "/"
        var isTLS = false
        var testDescription: String { url }
    }

    @Test(arguments: [
        Good(url: "amqp://127.0.0.1"),
        Good(url: "amqp://127.0.0.1/"),
        Good(url: "AMQP://127.0.0.1:5673/%2F", port: 5673),
        Good(url: "amqp://guest:guest@127.0.0.1:1/%2f", port: 1),
        Good(url: "amqp://bob@h", host: "h", user: "bob", password: ""),
        Good(url: "amqp://bob:p%40ss%3A%2Fw%25@h/v", host: "h", user: "bob", password: "p@ss:/w%", virtualHost: "v"),
        Good(url: "amqp://bob:a@b@h", host: "h", user: "bob", password: "a@b"),
        Good(url: "amqp://[::1]:5674/a%2Fb", host: "::1", port: 5674, virtualHost: "a/b"),
        Good(url: "amqps://h", host: "h", port: 5671, isTLS: true),
        Good(url: "amqps://h:5/v%20w?heartbeat=5", host: "h", port: 5, virtualHost: "v w", isTLS: true),
        Good(url: "amqp://u:%ED%95%9C@h", host: "h", user: "u", password: "한"),
    ])
    func reads(_ sample: Good) throws {
        let configuration = try AMQPConfiguration(url: sample.url)
        #expect(configuration.addresses == [.init(host: sample.host, port: sample.port)])
        #expect(configuration.username == sample.user)
        #expect(configuration.password == sample.password)
        #expect(configuration.virtualHost == sample.virtualHost)
        #expect((configuration.tls != nil) == sample.isTLS)
    }

    @Test func readsOptions() throws {
        let configuration = try AMQPConfiguration(
            url: "amqps://h?heartbeat=7&connection_timeout=1500&cacertfile=%2Fca.pem&certfile=/c.pem&keyfile=/k.pem")
        #expect(configuration.heartbeat == .seconds(7))
        #expect(configuration.timeout == .milliseconds(1500))
        #expect(
            configuration.tls
                == .init(certificateAuthorityFile: "/ca.pem", clientCertificateFile: "/c.pem", clientKeyFile: "/k.pem"))
    }

    @Test(arguments: [
        ("", "start with amqp"), ("http://h", "start with amqp"), ("amqp:h", "start with amqp"),
        ("amqp://", "host name"), ("amqp://:5672", "host name"), ("amqp://u:hunter2@", "host name"),
        ("amqp://u:hunter2@h:0", "port"), ("amqp://u:hunter2@h:99999", "port"), ("amqp://u:hunter2@h:+1", "port"),
        ("amqp://u:hunter2@h:", "port"), ("amqp://u:hunter2@h/a/b", "%2F"), ("amqp://u:hunter2%zz@h", "password"),
        ("amqp://u:hunter2%f@h", "password"), ("amqp://u:hunter2%FF@h", "password"),
        ("amqp://u:hunter2%00@h", "password"), ("amqp://u:hunter2#@h", "%23"), ("amqp://[::1", "]"),
        ("amqp://[::1]x", ":PORT"), ("amqp://u:hunter2@h?x=1", "unknown"),
        ("amqp://u:hunter2@h?heartbeat", "name=value"),
        ("amqp://u:hunter2@h?heartbeat=0", "heartbeat"), ("amqp://u:hunter2@h?cacertfile=/a", "amqps"),
        ("amqp://u:hunter2/x@h", "host"),
    ])
    func refuses(_ url: String, _ word: String) {
        let error = #expect(throws: AMQPError.self) { try AMQPConfiguration(url: url) }
        #expect(error?.code == .configuration)
        #expect(error?.description.contains("hunter2") == false)
        if word != "host" { #expect(error?.message.contains(word) == true, "\(error?.message ?? "")") }
    }
}
