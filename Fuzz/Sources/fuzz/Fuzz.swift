import FuzzChecks
import Glibc

// libFuzzer calls the first of these once and the second for each input, on the same thread.

nonisolated(unsafe) private var target = FuzzTarget.scanner

/// The target is named by the environment, because libFuzzer starts this program again with its own arguments.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?
) -> CInt {
    guard let name = getenv("CHAT_WORKER_FUZZ_TARGET"), let named = FuzzTarget(rawValue: String(cString: name)) else {
        fatalError("set CHAT_WORKER_FUZZ_TARGET to one of \(FuzzTarget.allCases.map(\.rawValue))")
    }
    target = named
    return 0
}

/// A sentence that does not hold ends the program, which libFuzzer reports with the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do throws(BrokenInvariant) {
        try target.check(UnsafeRawBufferPointer(start: start, count: count))
    } catch {
        fatalError("does not hold: \(error)")
    }
    return 0
}

/// SwiftPM gives the entry of an executable target this name, and makes it the `main` of the program; so it goes before
/// the one that comes with libFuzzer.
@_cdecl("fuzz_main")
public func main(
    _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
    var count = count
    var arguments = arguments
    return runDriver(&count, &arguments, testOneInput)
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt
