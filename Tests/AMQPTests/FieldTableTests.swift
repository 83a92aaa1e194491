import CRabbitMQ
import Testing

@testable import AMQP

/// Swift value -> librabbitmq's structures -> bytes on the wire -> librabbitmq's structures -> Swift value.
@Suite struct FieldTableTests {
    static let tables: [FieldTable] = [
        [:],
        ["a": .int(0), "b": .int(.min), "c": .int(.max), "d": .int(-1)],
        ["t": .bool(true), "f": .bool(false), "n": .null, "d": .double(-1.5)],
        ["s": .string(""), "k": .string("한국어 👍🏽"), "x": .bytes([0, 255, 10]), "e": .bytes([])],
        ["time": .timestamp(1_700_000_000), "max": .timestamp(.max)],
        ["array": .array([.int(1), .string("two"), .array([]), .table([:]), .null])],
        ["table": .table(["inner": .table(["deep": .array([.table(["x": .int(1)])])])])],
        ["": .int(1)],
    ]

    @Test(arguments: tables) func roundTrip(_ table: FieldTable) throws {
        #expect(try throughTheWire(table) == table)
    }

    @Test func theSizeIsRight() throws {
        for table in Self.tables { #expect(try encode(table).count == 4 + table.encodedSize) }
    }

    /// Every integer kind of the wire is widened, or clamped.
    @Test(
        arguments: [
            ("b", [0xFF], FieldValue.int(-1)), ("B", [0xFF], .int(255)), ("s", [0xFF, 0xFE], .int(-2)),
            ("u", [0xFF, 0xFE], .int(65534)), ("I", [0xFF, 0xFF, 0xFF, 0xFD], .int(-3)),
            ("i", [0xFF, 0xFF, 0xFF, 0xFF], .int(4_294_967_295)),
            ("l", [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], .int(-1)),
            ("L", [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], .int(.max)),
            ("f", [0x3F, 0xC0, 0, 0], .double(1.5)), ("D", [2, 0, 0, 0, 150], .double(1.5)), ("V", [], .null),
            ("S", [0, 0, 0, 2, 0xC3, 0x28], .string("\u{FFFD}(")),
        ] as [(String, [UInt8], FieldValue)])
    func kinds(_ kind: String, _ bytes: [UInt8], _ value: FieldValue) throws {
        let entry = [1, UInt8(ascii: "k")] + Array(kind.utf8) + bytes
        #expect(try decode([0, 0, 0, UInt8(entry.count)] + entry)["k"] == value)
    }

    @Test func nestingIsFollowedOnlySoFar() throws {
        // Written from the inside: each level is one entry "" of kind F.
        var size = 0
        var levels: [[UInt8]] = []
        for _ in 0..<1000 {
            levels.append([0, UInt8(ascii: "F")] + big(UInt32(size)))
            size += 6
        }
        let bytes = big(UInt32(size)) + levels.reversed().flatMap { $0 }
        var value = FieldValue.table(try decode(bytes))
        var depth = 0
        while case .table(let table) = value, let next = table[""] {
            value = next
            depth += 1
        }
        #expect(value == .null)
        #expect(depth == 33)
    }

    @Test func thousandsOfKeysAreLinear() throws {
        var entries: [UInt8] = []
        for number in UInt32(0)..<20_000 { entries += [4] + big(number) + [UInt8(ascii: "V")] }
        #expect(try decode(big(UInt32(entries.count)) + entries).entries.count > 100)
    }

    @Test(arguments: [128, 255]) func longestNames(_ count: Int) throws {
        let name = String(repeating: "n", count: count)
        #expect(try throughTheWire([name: .int(1)]).integer(name) == 1)
    }

    @Test func tooLongAName() {
        let name = String(repeating: "é", count: 128)
        #expect(throws: AMQPError.self) { try encode([name: .int(1)]) }
        #expect(throws: AMQPError.self) {
            try PublishTemplate(exchange: "", routingKey: name, properties: MessageProperties())
        }
        #expect(throws: AMQPError.self) {
            try PublishTemplate(exchange: "", routingKey: "k", properties: MessageProperties(replyTo: name))
        }
        #expect(throws: AMQPError.self) {
            try PublishTemplate(
                exchange: "", routingKey: "k",
                properties: MessageProperties(headers: ["h": .string(String(repeating: "x", count: 65_000))]))
        }
    }

    private func throughTheWire(_ table: FieldTable) throws -> FieldTable { try decode(encode(table)) }

    private func encode(_ table: FieldTable) throws -> [UInt8] {
        let arena = CArena()
        var source = try arena.table(table)
        var bytes = [UInt8](repeating: 0, count: 100_000)
        var offset = 0
        let status = bytes.withUnsafeMutableBytes { buffer in
            amqp_encode_table(amqp_bytes_t(len: buffer.count, bytes: buffer.baseAddress), &source, &offset)
        }
        #expect(status == 0)
        return Array(bytes[..<offset])
    }

    private func decode(_ bytes: [UInt8]) throws -> FieldTable {
        var bytes = bytes
        var pool = amqp_pool_t()
        init_amqp_pool(&pool, 4096)
        defer { empty_amqp_pool(&pool) }
        return bytes.withUnsafeMutableBytes { buffer in
            var table = amqp_table_t()
            var offset = 0
            let encoded = amqp_bytes_t(len: buffer.count, bytes: buffer.baseAddress)
            #expect(amqp_decode_table(encoded, &pool, &table, &offset) == 0)
            return FieldTable(table)
        }
    }

    private func big(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
}
