extension JSONValue {
    /// One member of an object, read without a tree of all that stands beside it: a body may have megabytes, and its tree many
    /// times as much. `nil` where the text is no object or breaks off, where the member stands twice, is larger than
    /// `maximumSize` bytes or is no strict JSON.
    public init?(member key: StaticString, of bytes: [UInt8], maximumSize: Int) {
        let found = bytes.withUnsafeBytes { buffer -> JSONValue? in
            var cursor = JSONCursor(buffer)
            guard let range = try? Self.member(key, &cursor), Int(range.count) <= maximumSize else { return nil }
            return try? JSONValue(parsing: cursor.bytes(range))
        }
        guard let found else { return nil }
        self = found
    }

    private static func member(_ key: StaticString, _ cursor: inout JSONCursor) throws(JSONError) -> ByteRange? {
        var found: ByteRange?
        try cursor.expect(0x7B)
        guard try !cursor.isEmptyContainer(closing: 0x7D) else { return nil }
        repeat {
            let name = try cursor.key()
            let value = try cursor.skipValue(depth: 128)
            guard cursor.equals(name.range, key) else { continue }
            guard found == nil else { return nil }
            found = value
        } while try cursor.nextElement(closing: 0x7D)
        try cursor.expectEnd()
        return found
    }
}
