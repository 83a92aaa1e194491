import ChatModel
import Testing

@Suite struct HTTPDateTests {
    /// 2026-07-04.
    private static let now: Int64 = 1_783_123_200

    @Test(
        arguments: [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000), ("  Fri, 01 Mar 2024 00:00:00 GMT\t", 1_709_251_200),
            // RFC 850, with the century that is meant; asctime.
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777), ("Saturday, 04-Jul-76 00:00:00 GMT", 3_361_046_400),
            ("Monday, 04-Jul-77 00:00:00 GMT", 236_822_400), ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Sun Nov 06 08:49:37 1994", 784_111_777), ("Thu, 01 Jan 1970 00:00:60 GMT", 60),
            ("", nil), ("soon", nil), ("Sun, 06 Nov 1994 08:49:37 UTC", nil), ("Sun, 32 Nov 1994 08:49:37 GMT", nil),
            ("Sun, 06 Nom 1994 08:49:37 GMT", nil), ("Sun, 06 Nov 1994 25:49:37 GMT", nil),
            ("Sun, 06 Nov 1969 08:49:37 GMT", nil), ("Sun, 06 Nov 94 08:49:37 GMT", nil),
            ("Sun, 06 Nov 1994 08:49   GMT", nil), ("Sunday, 06-Nov-1994 08:49:37 GMT", nil),
            ("Sunday, 06-Nov 08:49:37 GMT", nil), ("Sun Nov 6 08:49:37 99999", nil), ("Sun Nov 6 8:49:37 1994", nil),
            ("Sun, +6 Nov 1994 08:49:37 GMT", nil), (String(repeating: "x ", count: 100), nil),
        ] as [(String, Int64?)])
    func reads(_ text: String, _ seconds: Int64?) { #expect(HTTPDate.seconds(text, now: Self.now) == seconds) }
}
