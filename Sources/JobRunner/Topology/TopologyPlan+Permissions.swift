/// What a worker's login may do on the broker: three regular expressions, as `rabbitmqctl set_permissions` takes them.
public struct BrokerPermissions: Sendable, Equatable {
    public var configure: String
    public var write: String
    public var read: String

    /// As `rabbitmqctl` takes them.
    public func command(user: String, virtualHost: String) -> String {
        "rabbitmqctl set_permissions -p '\(virtualHost)' '\(user)' '\(configure)' '\(write)' '\(read)'"
    }

    /// The least for who only sends jobs.
    public static func backend(_ names: QueueNames) -> BrokerPermissions {
        BrokerPermissions(configure: "^$", write: "^\(TopologyPlan.escaped(names.intake))$", read: "^$")
    }

    /// Names of reply queues as the configuration has them by default.
    public static func replies(_ names: QueueNames) -> String { "^\(TopologyPlan.escaped(names.prefix))\\.reply\\..*$" }
}

extension TopologyPlan {
    /// The least that a worker with this plan needs.
    ///
    /// - Parameter declaredReplies: the pattern of reply queues (`{customer}` for the name) that it declares itself, or asks
    ///   the broker about; `nil`: none.
    public func permissions(declaredReplies: String?) -> BrokerPermissions {
        let escapedPrefix = Self.escaped(names.prefix)
        // Declaring with a dead-letter exchange needs write on that and read on the queue; binding needs write on the queue
        // and read on the exchange (RabbitMQ, "Access Control").
        let own =
            escapedPrefix + #"\.(in|events|back|dead|control|journal|endpoints|(jobs|webhooks)(\..+)?)"#
        var configure = [own]
        var write = [own, #"amq\.default"#]
        if let replyExchange {
            configure.append(Self.escaped(replyExchange))
            write.append(Self.escaped(replyExchange))
        }
        if let declaredReplies {
            let parts = declaredReplies.split(separator: "{customer}", omittingEmptySubsequences: false)
            configure.append(parts.map { Self.escaped(String($0)) }.joined(separator: "[A-Za-z0-9_-]+"))
        }
        func expression(_ parts: [String]) -> String {
            parts.count == 1 ? "^\(parts[0])$" : "^(\(parts.joined(separator: "|")))$"
        }
        return BrokerPermissions(configure: expression(configure), write: expression(write), read: expression([own]))
    }

    static func escaped(_ text: String) -> String {
        String(text.flatMap { #".\+*?[]^$(){}|"#.contains($0) ? ["\\", $0] : [$0] })
    }
}
