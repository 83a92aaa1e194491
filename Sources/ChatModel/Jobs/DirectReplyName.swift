/// The name that RabbitMQ makes for a reader of `amq.rabbitmq.reply-to`: the prefix, the reader's channel process and a key,
/// both in base64, with a dot between them. A name of another shape makes RabbitMQ 3.10 to 4.0 close the connection that
/// publishes to it (541), so none is accepted that the broker has not made.
///
/// RabbitMQ's `rabbit_direct_reply_to` and `pid_recomposition` (3.10 to 4.1), `rabbit_volatile_queue` (4.2 on): the process is
/// an Erlang pid in the external term format whose node is `reply@` and a hash below 2^27.
enum DirectReplyName {
    /// Version 131, then NEW_PID_EXT or PID_EXT.
    private static let version: UInt8 = 131
    private static let kinds: Set<UInt8> = [88, 103]
    /// ATOM_UTF8_EXT has a length of two bytes, SMALL_ATOM_UTF8_EXT of one.
    private static let longAtom: UInt8 = 118
    private static let shortAtom: UInt8 = 119
    private static let node = Array("reply@".utf8)
    /// `erlang:phash2` is below it.
    private static let hashes = 1 << 27
    private static let keyCount = 16

    static func isValid(_ name: String) -> Bool {
        guard name.utf8.starts(with: ReplyRules.directReplyToPrefix.utf8) else { return false }
        let parts = name.utf8.dropFirst(ReplyRules.directReplyToPrefix.utf8.count)
            .split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 2, let process = decode(Array(parts[0])), let key = decode(Array(parts[1])) else {
            return false
        }
        return key.count == keyCount && isProcess(process)
    }

    private static func isProcess(_ term: [UInt8]) -> Bool {
        guard term.count > 5, term[0] == version, kinds.contains(term[1]) else { return false }
        let (atom, length): (Int, Int)
        switch term[2] {
        case longAtom: (atom, length) = (5, Int(term[3]) << 8 | Int(term[4]))
        case shortAtom: (atom, length) = (4, Int(term[3]))
        default: return false
        }
        // Id and serial; then the creation, which an old node wrote in one byte.
        guard [atom + length + 12, atom + length + 9].contains(term.count) else { return false }
        let name = term[atom..<(atom + length)]
        return name.starts(with: node) && isHash(name.dropFirst(node.count))
    }

    private static func isHash(_ digits: ArraySlice<UInt8>) -> Bool {
        guard (1...9).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
            digits.count == 1 || digits.first != 0x30
        else { return false }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) } < hashes
    }

    /// RFC 4648, section 4, with its padding and nothing beside it; `nil` for anything that an encoder would not write.
    private static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard !text.isEmpty, text.count % 4 == 0 else { return nil }
        let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
        var bytes: [UInt8] = []
        var (bits, count) = (0, 0)
        for byte in text.dropLast(padding) {
            guard let value = value(of: byte) else { return nil }
            bits = (bits << 6 | value) & 0xFFFF
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return bits & ((1 << count) - 1) == 0 ? bytes : nil
    }

    private static func value(of byte: UInt8) -> Int? {
        switch byte {
        case 0x41...0x5A: Int(byte) - 0x41
        case 0x61...0x7A: Int(byte) - 0x61 + 26
        case 0x30...0x39: Int(byte) - 0x30 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
