import Testing

@testable import ChatModel

@Suite struct JSONMemberTests {
    @Test(arguments: [
        (#"{"job":{"id":"a"},"messages":[1,{"job":2}]}"#, "a"), (#"  { "x" : [ ] , "job" : { "id" : "b" } } "#, "b"),
        // Neither twice, nor nested, nor broken off, nor too large, nor of another kind.
        (#"{"job":{"id":"a"},"job":{"id":"b"}}"#, nil), (#"{"x":{"job":{"id":"a"}}}"#, nil),
        (#"{"job":{"id":"a"},"messages":[1"#, nil), (#"{"job":{"id":"a"}} x"#, nil),
        (#"{"job":{"id":"a","metadata":"0123456789012345678901234567890"}}"#, nil), (#"[{"job":{"id":"a"}}]"#, nil),
        (#"{}"#, nil), ("", nil), (#"{"job":{"id":"a","id":"b"}}"#, nil),
    ])
    func member(_ text: String, _ id: String?) {
        #expect(JSONValue(member: "job", of: Array(text.utf8), maximumSize: 40)?["id"]?.stringValue == id)
    }

    /// As deep as anybody likes: it is refused, not walked.
    @Test func deep() {
        let text = #"{"a":"# + String(repeating: "[", count: 100_000)
        #expect(JSONValue(member: "job", of: Array(text.utf8), maximumSize: 40) == nil)
    }
}
