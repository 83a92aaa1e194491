import NIOCore

/// A request that a connection of the simulated gateway answers now.
struct ServedRequest {
    var request: ChatRequest
    var body: ByteBuffer
    var ordinal: Int
    var fault: Fault?
}
