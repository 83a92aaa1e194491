/// The whole check of a text from outside: UTF-8 without a byte order mark, one JSON value, no duplicate key in any
/// object (compared after unescaping), no deeper than allowed.
enum JSONStrictness {
    static func validate(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int) throws(JSONError) {
        if let offset = UTF8Validator.firstInvalid(in: bytes) { throw JSONError(.invalidUTF8, at: offset) }
        var cursor = JSONCursor(bytes)
        try value(&cursor, depth: maximumDepth)
        try cursor.expectEnd()
    }

    private static func value(_ cursor: inout JSONCursor, depth: Int) throws(JSONError) {
        switch try cursor.peek() {
        case 0x7B:
            guard depth > 0 else { throw JSONError(.tooDeep, at: cursor.offset) }
            try cursor.expect(0x7B)
            guard try !cursor.isEmptyContainer(closing: 0x7D) else { return }
            var keys = KeySet()
            repeat {
                let start = cursor.offset
                let key = try cursor.key()
                guard keys.insert(key, in: cursor) else {
                    let name = JSONText.string(cursor.bytes(key.range))
                    throw JSONError(.duplicateKey, at: start, key: String(name.prefix(64)))
                }
                try value(&cursor, depth: depth &- 1)
            } while try cursor.nextElement(closing: 0x7D)
        case 0x5B:
            guard depth > 0 else { throw JSONError(.tooDeep, at: cursor.offset) }
            try cursor.expect(0x5B)
            guard try !cursor.isEmptyContainer(closing: 0x5D) else { return }
            repeat { try value(&cursor, depth: depth &- 1) } while try cursor.nextElement(closing: 0x5D)
        default: try cursor.skipValue(depth: depth)
        }
    }

    /// The keys of one object. A few are compared one by one; many are hashed, so that a hostile object stays linear.
    private struct KeySet {
        private var few: [ByteRange] = []
        private var many: Set<[UInt8]> = []

        mutating func insert(_ key: JSONCursor.RawString, in cursor: JSONCursor) -> Bool {
            if !many.isEmpty || key.hasEscapes || few.count >= 16 {
                if many.isEmpty { for range in few { many.insert(Array(cursor.bytes(range))) } }
                var bytes: [UInt8] = []
                JSONText.decode(cursor.bytes(key.range)) { bytes.append(contentsOf: $0) }
                return many.insert(bytes).inserted
            }
            let bytes = cursor.bytes(key.range)
            for range in few where range.count == key.range.count && cursor.bytes(range).elementsEqual(bytes) {
                return false
            }
            few.append(key.range)
            return true
        }
    }
}
