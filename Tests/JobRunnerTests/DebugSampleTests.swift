import ChatModel
import Testing

@testable import JobRunner

struct DebugSampleTests {
    @Test func aShareOfAllJobsAndAlwaysTheSame() {
        let keys = (0..<20_000).map { JobKey(customer: "acme", id: "order-\($0)") }
        let taken = keys.filter { JobExecution.isSampled($0, share: 0.1) }
        #expect((1_700...2_300).contains(taken.count), "\(taken.count)")
        #expect(taken == keys.filter { JobExecution.isSampled($0, share: 0.1) })
        #expect(taken.allSatisfy { JobExecution.isSampled($0, share: 0.2) }, "more are not others")
        #expect(!keys.contains { JobExecution.isSampled($0, share: 0) })
        #expect(keys.allSatisfy { JobExecution.isSampled($0, share: 1) })
    }
}
