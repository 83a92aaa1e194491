import CRabbitMQ
import Glibc

/// The letters of RabbitMQ's dialect (amqp_field_value_kind_t).
private enum Kind {
    static let bool = UInt8(ascii: "t")
    static let int8 = UInt8(ascii: "b")
    static let uint8 = UInt8(ascii: "B")
    static let int16 = UInt8(ascii: "s")
    static let uint16 = UInt8(ascii: "u")
    static let int32 = UInt8(ascii: "I")
    static let uint32 = UInt8(ascii: "i")
    static let int64 = UInt8(ascii: "l")
    static let uint64 = UInt8(ascii: "L")
    static let float = UInt8(ascii: "f")
    static let double = UInt8(ascii: "d")
    static let decimal = UInt8(ascii: "D")
    static let string = UInt8(ascii: "S")
    static let array = UInt8(ascii: "A")
    static let timestamp = UInt8(ascii: "T")
    static let table = UInt8(ascii: "F")
    static let void = UInt8(ascii: "V")
    static let bytes = UInt8(ascii: "x")
}

/// Nesting that is followed; deeper values become `.null`. Only a hostile header has more.
private let maximumDepth = 32

extension CArena {
    func table(_ table: FieldTable) throws(AMQPError) -> amqp_table_t {
        let count = table.entries.count
        guard count > 0, let entries = array(of: amqp_table_entry_t.self, count: count) else { return amqp_table_t() }
        for (index, entry) in table.entries.enumerated() {
            // RabbitMQ's own limit for a key is 128 bytes; the wire's is 255.
            entries[index].key = try shortString(entry.key, "header name")
            entries[index].value = try value(entry.value)
        }
        return amqp_table_t(num_entries: Int32(count), entries: entries)
    }

    private func value(_ value: FieldValue) throws(AMQPError) -> amqp_field_value_t {
        var field = amqp_field_value_t()
        switch value {
        case .bool(let flag):
            field.kind = Kind.bool
            field.value.boolean = flag ? 1 : 0
        case .int(let number):
            field.kind = Kind.int64
            field.value.i64 = number
        case .double(let number):
            field.kind = Kind.double
            field.value.f64 = number
        case .string(let text):
            field.kind = Kind.string
            field.value.bytes = bytes(text.utf8)
        case .bytes(let content):
            field.kind = Kind.bytes
            field.value.bytes = bytes(content)
        case .timestamp(let seconds):
            field.kind = Kind.timestamp
            field.value.u64 = seconds
        case .array(let values):
            field.kind = Kind.array
            field.value.array = amqp_array_t()
            if let entries = array(of: amqp_field_value_t.self, count: values.count), !values.isEmpty {
                for (index, element) in values.enumerated() { entries[index] = try self.value(element) }
                field.value.array = amqp_array_t(num_entries: Int32(values.count), entries: entries)
            }
        case .table(let content):
            field.kind = Kind.table
            field.value.table = try table(content)
        case .null:
            field.kind = Kind.void
        }
        return field
    }
}

extension FieldTable {
    /// Copies a table that librabbitmq decoded.
    init(_ table: amqp_table_t) { self.init(table, depth: 0) }

    fileprivate init(_ table: amqp_table_t, depth: Int) {
        guard let entries = table.entries, table.num_entries > 0 else {
            self.init()
            return
        }
        self.init(
            uniquing: UnsafeBufferPointer(start: entries, count: Int(table.num_entries)).lazy.map { entry in
                (key: entry.key.string, value: FieldValue(entry.value, depth: depth))
            })
    }
}

extension FieldValue {
    fileprivate init(_ field: amqp_field_value_t, depth: Int) {
        let value = field.value
        self =
            switch field.kind {
            case Kind.bool: .bool(value.boolean != 0)
            case Kind.int8: .int(Int64(value.i8))
            case Kind.uint8: .int(Int64(value.u8))
            case Kind.int16: .int(Int64(value.i16))
            case Kind.uint16: .int(Int64(value.u16))
            case Kind.int32: .int(Int64(value.i32))
            case Kind.uint32: .int(Int64(value.u32))
            case Kind.int64: .int(value.i64)
            case Kind.uint64: .int(Int64(clamping: value.u64))
            case Kind.float: .double(Double(value.f32))
            case Kind.double: .double(value.f64)
            case Kind.decimal: .double(Double(value.decimal.value) / pow(10, Double(value.decimal.decimals)))
            case Kind.string: .string(value.bytes.string)
            case Kind.bytes: .bytes(Array(value.bytes.buffer))
            case Kind.timestamp: .timestamp(value.u64)
            case Kind.array where depth < maximumDepth: .array(Self.elements(value.array, depth: depth + 1))
            case Kind.table where depth < maximumDepth: .table(FieldTable(value.table, depth: depth + 1))
            default: .null
            }
    }

    private static func elements(_ array: amqp_array_t, depth: Int) -> [FieldValue] {
        guard let entries = array.entries, array.num_entries > 0 else { return [] }
        return UnsafeBufferPointer(start: entries, count: Int(array.num_entries)).map {
            FieldValue($0, depth: depth)
        }
    }
}

extension FieldTable {
    /// Bytes on the wire, without the length in front.
    var encodedSize: Int { entries.reduce(0) { $0 + 1 + $1.key.utf8.count + $1.value.encodedSize } }
}

extension FieldValue {
    /// With the letter of its kind.
    fileprivate var encodedSize: Int {
        switch self {
        case .null: 1
        case .bool: 2
        case .int, .double, .timestamp: 9
        case .string(let text): 5 + text.utf8.count
        case .bytes(let bytes): 5 + bytes.count
        case .array(let values): values.reduce(5) { $0 + $1.encodedSize }
        case .table(let table): 5 + table.encodedSize
        }
    }
}
