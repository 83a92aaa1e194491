extension [UInt8] {
    /// Appends a literal: one copy, where the bytes of a `String` are looked at first.
    @inline(__always)
    mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
