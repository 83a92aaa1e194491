import ChatModel
import Testing

/// Trace contexts come from customers, and become headers of requests.
@Suite struct TraceContextTests {
    static let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test(arguments: [
        good, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "cc-" + good.dropFirst(3) + "-x.y",
    ])
    func isKeptAsItStands(_ text: String) {
        #expect(TraceContext(traceparent: text)?.traceparent == text)
    }

    @Test(arguments: [
        "", "00", good + "-x", "ff-" + good.dropFirst(3), good.uppercased(), good + "\r\nX-Evil: 1",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01", "cc-" + good.dropFirst(3) + "-x\ry",
        "cc-" + good.dropFirst(3) + "-" + String(repeating: "x", count: 128),
    ])
    func whatIsNoneIsDropped(_ text: String) {
        #expect(TraceContext(traceparent: text) == nil)
    }

    @Test(arguments: [("a=1, b=2", "a=1, b=2"), ("a", ""), ("a=1\r\nX-Evil: 1", ""), ("=1", ""), ("", "")])
    func stateIsKeptOrLeftOut(_ text: String, _ kept: String) {
        #expect(TraceContext(traceparent: Self.good, tracestate: text)?.tracestate == kept)
        #expect(TraceContext(traceparent: nil, tracestate: text) == nil)
    }
}
