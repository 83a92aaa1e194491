/// The body of a webhook.
public enum WebhookPayload {
    /// Splices `data` in as it is: it is the body of the terminal reply, never decoded and encoded again.
    /// - Parameters:
    ///   - timestamp: RFC 3339, when the event happened; the same on every try.
    ///   - data: a complete JSON value.
    public static func body(type: WebhookEventType, timestamp: String, data: some Collection<UInt8>) -> [UInt8] {
        let head = #"{"type":"\#(type.rawValue)","timestamp":"\#(timestamp)","data":"#
        var body: [UInt8] = []
        body.reserveCapacity(head.utf8.count + data.count + 1)
        body.append(contentsOf: head.utf8)
        body.append(contentsOf: data)
        body.append(UInt8(ascii: "}"))
        return body
    }
}
