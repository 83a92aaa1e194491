import Foundation
import TestSupport

/// A clock on the wall that a test sets while the program runs (libfaketime); the monotonic clock stays the machine's.
struct FakeClock {
    private let file: String

    /// - Parameter folder: where the offset is written down.
    init(folder: String) throws {
        file = "\(folder)/clock"
        try set(0)
    }

    /// For the program: `$LIB` is the loader's own word for the folder of the machine's libraries.
    var environment: [String: String] {
        [
            "LD_PRELOAD": "/usr/$LIB/faketime/libfaketimeMT.so.1", "FAKETIME_TIMESTAMP_FILE": file,
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1",
        ]
    }

    /// Seconds before (negative) or after the true time.
    func set(_ seconds: Int) throws {
        let text = "\(seconds < 0 ? "" : "+")\(seconds)\n"
        try Data(text.utf8).write(to: URL(filePath: file), options: .atomic)
    }
}
