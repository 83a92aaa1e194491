import ChatModel

extension ConfigurationValue<Timestamp> {
    static var instant: Self {
        .text("instant, RFC 3339") { text throws(ConfigurationValueError) in
            guard let instant = Timestamp(rfc3339: text) else {
                throw ConfigurationValueError("is no instant; write one as 2026-12-31T00:00:00Z, with its offset")
            }
            return instant
        } render: {
            $0.rfc3339
        }
    }
}
