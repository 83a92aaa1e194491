/// What must exist on the broker before the worker consumes. Declaring is idempotent; a queue that exists with
/// other arguments is an error that names it (`channelClosed`, 406), unless an earlier version gave it those.
public struct Topology: Sendable, Equatable {
    public struct Exchange: Sendable, Equatable {
        public enum Kind: String, Sendable { case direct, topic, fanout, headers }
        public var name: String
        public var kind: Kind

        public init(name: String, kind: Kind) {
            self.name = name
            self.kind = kind
        }
    }

    /// Always durable, never exclusive, never auto-delete.
    public struct Queue: Sendable, Equatable {
        public var name: String
        public var arguments: FieldTable
        /// What an earlier version of the worker declared it with. A queue that is there with these is taken as it is: its
        /// arguments cannot be changed, and nothing shall stop working for that.
        public var formerArguments: FieldTable?

        public init(name: String, arguments: FieldTable, formerArguments: FieldTable? = nil) {
            self.name = name
            self.arguments = arguments
            self.formerArguments = formerArguments
        }
    }

    public struct Binding: Sendable, Equatable {
        public var queue: String
        public var exchange: String
        public var routingKey: String

        public init(queue: String, exchange: String, routingKey: String) {
            self.queue = queue
            self.exchange = exchange
            self.routingKey = routingKey
        }
    }

    public var exchanges: [Exchange]
    public var queues: [Queue]
    public var bindings: [Binding]

    public init(exchanges: [Exchange] = [], queues: [Queue] = [], bindings: [Binding] = []) {
        self.exchanges = exchanges
        self.queues = queues
        self.bindings = bindings
    }
}
