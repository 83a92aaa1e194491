/// Whose answer it is, as its chunks and its completion say at their beginning. Each value is that of the first chunk that
/// has one; `0` and an empty string are none.
struct AnswerMetadata: Sendable {
    private var id: [UInt8] = []
    private var created: [UInt8] = []
    private var model: [UInt8] = []
    private var systemFingerprint: [UInt8] = []
    private var serviceTier: [UInt8] = []
    private let defaults: AnswerLog.Defaults
    private var isKnown = false
    /// How each chunk begins: `{"id":"…","object":"chat.completion.chunk","created":…,"model":"…"` and more of the kind.
    private(set) var chunkHead: [UInt8] = []
    /// The same up to the text of choice 0: `…,"choices":[{"index":0,"delta":{`.
    private(set) var textHead: [UInt8] = []

    init(defaults: AnswerLog.Defaults) { self.defaults = defaults }

    var modelName: String? { model.isEmpty ? nil : model.withUnsafeBytes(JSONText.string) }

    /// How a completion begins: `{"id":"…","object":"chat.completion","created":…,"model":"…"`.
    var completionHead: [UInt8] { head(of: "chat.completion") }

    @inline(__always)
    mutating func learn(from chunk: ScannedChunk, in message: UnsafeRawBufferPointer) {
        if !isKnown { learnMore(from: chunk, in: message) }
    }

    private mutating func learnMore(from chunk: ScannedChunk, in message: UnsafeRawBufferPointer) {
        var isNews = Self.learn(&id, message[chunk.id])
        if Self.learn(&model, message[chunk.model]) { isNews = true }
        if Self.learn(&systemFingerprint, message[chunk.systemFingerprint]) { isNews = true }
        if Self.learn(&serviceTier, message[chunk.serviceTier]) { isNews = true }
        if learnTime(message[chunk.created]) { isNews = true }
        guard isNews || chunkHead.isEmpty else { return }
        isKnown =
            !id.isEmpty && !created.isEmpty && !model.isEmpty && !systemFingerprint.isEmpty && !serviceTier.isEmpty
        chunkHead = head(of: "chat.completion.chunk")
        textHead = chunkHead
        textHead.append(",\"choices\":[{\"index\":0,\"delta\":{")
    }

    private static func learn(_ field: inout [UInt8], _ value: UnsafeRawBufferPointer) -> Bool {
        guard field.isEmpty, !value.isEmpty, !(value.count == 1 && value[0] == 0x30) else { return false }
        field = Array(value)
        return true
    }

    /// Seconds since 1970, which some send as a string or with a fraction.
    private mutating func learnTime(_ value: UnsafeRawBufferPointer) -> Bool {
        guard created.isEmpty, (1...32).contains(value.count),
            let seconds = Double(String(decoding: value, as: UTF8.self)), seconds >= 1, seconds < 1e13
        else { return false }
        created = Array(String(Int64(seconds)).utf8)
        return true
    }

    private func head(of object: StaticString) -> [UInt8] {
        var head: [UInt8] = []
        head.append("{\"id\":\"")
        head.append(contentsOf: id.isEmpty ? Array(defaults.id.utf8) : id)
        head.append("\",\"object\":\"")
        head.append(object)
        head.append("\",\"created\":")
        head.append(contentsOf: created.isEmpty ? Array(String(defaults.created).utf8) : created)
        head.append(",\"model\":")
        if model.isEmpty {
            JSONText.appendQuoted(defaults.model.utf8, to: &head)
        } else {
            head.append(0x22)
            head.append(contentsOf: model)
            head.append(0x22)
        }
        Self.append("system_fingerprint", systemFingerprint, to: &head)
        Self.append("service_tier", serviceTier, to: &head)
        return head
    }

    private static func append(_ key: StaticString, _ value: [UInt8], to head: inout [UInt8]) {
        guard !value.isEmpty else { return }
        head.append(",\"")
        head.append(key)
        head.append("\":\"")
        head.append(contentsOf: value)
        head.append(0x22)
    }
}
