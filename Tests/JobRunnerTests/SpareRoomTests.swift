import Testing

@testable import JobRunner

@Suite struct SpareRoomTests {
    @Test(arguments: [0, 1, 100, 1_000, 5_000]) func onlyWhatIsNeededIsKept(count: Int) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(2 * count + 1_000)
        bytes += (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let kept = bytes.withoutSpareRoom
        #expect(kept == bytes)
        #expect(kept.capacity <= count + 64)
    }
}
