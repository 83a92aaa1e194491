/// The body of a webhook.
public enum WebhookPayload {
    /// The body for an endpoint with these options; `nil` where it does not want this event.
    /// - Parameter data: the body of the terminal reply.
    public static func body(
        type: WebhookEventType, timestamp: String, data: [UInt8], options: WebhookOptions
    ) -> [UInt8]? {
        guard options.events.contains(type) else { return nil }
        let isCut = data.count > options.maximumPayloadSize
        guard isCut || options.payload == .thin else { return self.body(type: type, timestamp: timestamp, data: data) }
        let thin = ThinPayload.make(of: data, type: type, isCut: isCut && options.payload == .full)
        return self.body(type: type, timestamp: timestamp, data: thin)
    }

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
