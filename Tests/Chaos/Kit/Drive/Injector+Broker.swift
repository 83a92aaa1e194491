internal import Foundation
internal import TestSupport

/// Faults of the broker.
extension Injector {
    func harmBroker(_ fault: Fault) async throws {
        switch fault {
        case .brokerAway:
            excuse(.connectionLost)
            try await stage.brokerProxy.refuse(true)
            try await stage.brokerProxy.cut()
            try await hold(0.5...5)
            try await stage.brokerProxy.refuse(false)
        case .memoryAlarm:
            try await stage.broker.control(["set_vm_memory_high_watermark", "0.000001"])
            try await hold(1...4)
            try await stage.broker.control(["set_vm_memory_high_watermark", "absolute", "1GB"])
        case .replyQueueDeleted: try await deleteReplyQueue()
        default: try await restart(kills: fault == .brokerKill)
        }
    }

    private func restart(kills: Bool) async throws {
        brokerStopped()
        if kills { crashed() }
        let start = stage.brokerProxy.log.events.count
        excuse(.connectionLost, .brokerStopped)
        try await stage.broker.run(kills ? "kill" : "stop")
        if chance() {
            // A worker that starts while there is no broker waits for it.
            notes.append("worker killed meanwhile")
            for worker in stage.fleet.running { await kill(worker) }
            try stage.fleet.start()
        }
        try await stage.broker.startUntilSound()
        try await stage.brokerProxy.aim(at: stage.broker.port)
        try await stage.untilConsuming(from: start)
    }

    private func deleteReplyQueue() async throws {
        guard let customer = stage.customers.randomElement(using: &random) else { return }
        notes.append(customer.name)
        let start = now
        try await stage.broker.deleteQueue("chaos.reply.\(customer.name)")
        // The recorder declares it again as soon as it hears of it. What is published until then has no queue.
        try await hold(0.5...1)
        stage.ledger.excuseReplies(to: customer.name, since: start)
        excuse(.connectionLost, from: start)
    }
}
