/// The text that the simulated model speaks when it is given no other: several scripts, emoji joined by ZWJ, flags,
/// combining marks in both normal forms, right-to-left text, and what JSON has to escape.
enum BuiltInText {
    static let text = """
        Streaming sends every piece of an answer as soon as the model has written it. 실시간 스트리밍을 사용하면 \
        첫 번째 토큰까지의 지연 시간이 크게 줄어들고, 고객은 기다리지 않습니다. 👩‍👩‍👧‍👦 가족, 🏳️‍🌈 깃발, 👍🏽 좋아요, 🇰🇷 대한민국.

        Three reasons, in short:
        1. The first words arrive after 200–500 ms; nobody looks at a spinner. ⏱️
        2. One connection carries one request after another — \u{201C}no polling\u{201D}. 연결은 하나면 충분합니다.
        3. What was sent stays valid, even if the line is cut: naïve café, na\u{0069}\u{0308}ve cafe\u{0301}, Z\u{0351}\u{036B}algo, \
        \u{1112}\u{1161}\u{11AB}\u{1100}\u{1173}\u{11AF}.

        日本語のテキストも、中文文本也一样，العربية أيضًا، עברית גם, ไทยด้วย, हिन्दी भी, 𝒎𝒂𝒕𝒉 𝔣𝔯𝔞𝔨𝔱𝔲𝔯, 𠜎𠜱.

        ```swift
        let path = "C:\\\\temp\\\\new" // \\"quoted\\", tab:\there, slash: a/b
        print("\\u{1F600} is 😀, {\\"json\\": [1, 2.5, true, null]}")
        ```
        끝. The end. 🎉

        """
}
