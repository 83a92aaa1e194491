/// The basic properties of a message. Absent is `nil`.
public struct MessageProperties: Sendable, Equatable {
    public var contentType: String?
    public var contentEncoding: String?
    public var headers: FieldTable
    /// Delivery mode 2: survives a restart of the broker on a durable queue.
    public var isPersistent: Bool
    public var priority: UInt8?
    public var correlationID: String?
    public var replyTo: String?
    /// Relative milliseconds, as a decimal string.
    public var expiration: String?
    public var messageID: String?
    /// Seconds since 1970.
    public var timestamp: UInt64?
    public var type: String?
    /// Checked by the broker against the connection's user; a forged one closes the channel (406).
    public var userID: String?
    public var appID: String?

    public init(
        contentType: String? = nil, contentEncoding: String? = nil, headers: FieldTable = [:],
        isPersistent: Bool = false, priority: UInt8? = nil, correlationID: String? = nil, replyTo: String? = nil,
        expiration: String? = nil, messageID: String? = nil, timestamp: UInt64? = nil, type: String? = nil,
        userID: String? = nil, appID: String? = nil
    ) {
        self.contentType = contentType
        self.contentEncoding = contentEncoding
        self.headers = headers
        self.isPersistent = isPersistent
        self.priority = priority
        self.correlationID = correlationID
        self.replyTo = replyTo
        self.expiration = expiration
        self.messageID = messageID
        self.timestamp = timestamp
        self.type = type
        self.userID = userID
        self.appID = appID
    }
}

/// A value in an AMQP field table, RabbitMQ's dialect.
public indirect enum FieldValue: Sendable, Equatable {
    case bool(Bool)
    /// Every integer kind of the wire (b B s u I i l L) is widened to this; a `UInt64` over `Int64.max` is clamped.
    case int(Int64)
    case double(Double)
    /// Long string; the bytes need not be UTF-8 on the wire, but here they are (invalid ones become U+FFFD).
    case string(String)
    /// Byte array (`x`).
    case bytes([UInt8])
    case timestamp(UInt64)
    case array([FieldValue])
    case table(FieldTable)
    case null
}

/// An AMQP field table: ordered, small, each key once.
public struct FieldTable: Sendable, Equatable, ExpressibleByDictionaryLiteral, Sequence {
    public private(set) var entries: [(key: String, value: FieldValue)]

    public init() { entries = [] }

    public init(dictionaryLiteral elements: (String, FieldValue)...) {
        entries = []
        for (key, value) in elements { self[key] = value }
    }

    /// Takes what a peer sent: linear also where it sent thousands of keys. Where a key stands there twice, the first counts:
    /// it is the broker's own where it adds a header that a publisher has written already (RabbitMQ 4), and the one that the
    /// broker itself heeds.
    public init(uniquing pairs: some Sequence<(key: String, value: FieldValue)>) {
        entries = []
        var known: Set<String> = []
        for pair in pairs {
            if known.insert(pair.key).inserted { entries.append(pair) }
        }
    }

    public subscript(key: String) -> FieldValue? {
        get { entries.first { $0.key == key }?.value }
        set {
            let index = entries.firstIndex { $0.key == key }
            switch (index, newValue) {
            case (let index?, let value?): entries[index].value = value
            case (let index?, nil): entries.remove(at: index)
            case (nil, let value?): entries.append((key, value))
            case (nil, nil): break
            }
        }
    }

    /// The text of a string entry.
    public func string(_ key: String) -> String? {
        if case .string(let text)? = self[key] { text } else { nil }
    }

    /// The number of an integer entry.
    public func integer(_ key: String) -> Int64? {
        if case .int(let number)? = self[key] { number } else { nil }
    }

    public func makeIterator() -> IndexingIterator<[(key: String, value: FieldValue)]> { entries.makeIterator() }

    public static func == (left: FieldTable, right: FieldTable) -> Bool {
        left.entries.count == right.entries.count
            && left.entries.allSatisfy { entry in right[entry.key] == entry.value }
    }
}
