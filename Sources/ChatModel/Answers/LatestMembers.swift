#if canImport(Glibc)
    internal import Glibc
#endif

/// What stands beside the deltas of an answer, by name: of each member its latest value, as it stood in the JSON.
///
/// A value that stays the same costs a comparison, a value that changes a copy into storage that is there already.
struct LatestMembers: Sendable {
    private struct Entry: Sendable {
        /// Raw name, and the value behind it.
        var key: [UInt8]
        var value: [UInt8]
        /// The chunk that brought it last.
        var seen: Int
    }

    /// More names, and larger values together, are not kept: they are no answer.
    static let mostNames = 64
    static let mostBytes = 1 << 20

    private var entries: [Entry] = []
    private var bytes = 0
    /// The names of a chunk mostly come in the order of the chunk before.
    private var next = 0

    var isEmpty: Bool { entries.isEmpty }

    /// - Parameter chunk: number of the chunk that brings it; 0: it reaches no joined chunk.
    mutating func note(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, chunk: Int) {
        guard let place = place(of: key) else {
            guard entries.count < Self.mostNames, bytes &+ key.count &+ value.count <= Self.mostBytes else { return }
            bytes &+= key.count &+ value.count
            entries.append(Entry(key: Array(key), value: Array(value), seen: chunk))
            next = entries.count
            return
        }
        next = place &+ 1
        entries[place].seen = chunk
        guard !Self.isEqual(entries[place].value, value) else { return }
        let size = bytes &- entries[place].value.count &+ value.count
        guard size <= Self.mostBytes else { return }
        bytes = size
        entries[place].value.removeAll(keepingCapacity: true)
        entries[place].value.append(contentsOf: value)
    }

    private func place(of key: UnsafeRawBufferPointer) -> Int? {
        let start = next < entries.count ? next : 0
        for step in entries.indices {
            let place = start &+ step < entries.count ? start &+ step : start &+ step &- entries.count
            if Self.isEqual(entries[place].key, key) { return place }
        }
        return nil
    }

    private static func isEqual(_ known: [UInt8], _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard known.count == bytes.count, let address = bytes.baseAddress else {
            return known.isEmpty && bytes.isEmpty
        }
        return known.withUnsafeBytes { $0.baseAddress.map { memcmp($0, address, bytes.count) == 0 } ?? false }
    }

    /// Whether a member came with a chunk after that one.
    func has(after chunk: Int) -> Bool { entries.contains { $0.seen > chunk } }

    /// Appends `"name":value,` for each member that came with a chunk after that one.
    func append(after chunk: Int, to output: inout [UInt8]) {
        for entry in entries where entry.seen > chunk { Self.append(entry, to: &output) }
    }

    /// Appends `,"name":value` for each member but those that have one of these names.
    func appendAll(besides names: [String] = [], to output: inout [UInt8]) {
        for entry in entries where !names.contains(where: { entry.key.elementsEqual($0.utf8) }) {
            output.append(0x2C)
            Self.append(entry, to: &output)
            output.removeLast()
        }
    }

    func contains(_ name: String) -> Bool { entries.contains { $0.key.elementsEqual(name.utf8) } }

    private static func append(_ entry: Entry, to output: inout [UInt8]) {
        output.append(0x22)
        output.append(contentsOf: entry.key)
        output.append("\":")
        output.append(contentsOf: entry.value)
        output.append(0x2C)
    }
}
