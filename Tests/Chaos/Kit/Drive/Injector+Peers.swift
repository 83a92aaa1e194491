/// Faults of the gateway and of the webhook endpoint.
extension Injector {
    func harmPeers(_ fault: Fault) async throws {
        switch fault {
        case .gatewayKill:
            excuse(.gatewayFailing)
            try await stage.replaceGateway { try await self.hold(0...2) }
        case .gatewayCut:
            excuse(.gatewayFailing)
            try await stage.gatewayProxy.cut()
        case .gatewaySilent:
            excuse(.gatewayFailing)
            notes.append("\(try await stage.gatewayProxy.swallow([.down], of: .all)) connections")
        case .gatewayTrouble:
            let heap: [JobSource.Kind] = [.retried, .broken, .retried, .broken, .retried, .broken]
            stage.source.want(heap + heap)
            try await hold(1...2)
        default:
            excuse(.connectionLost)
            try await stage.webhookProxy.refuse(true)
            try await stage.webhookProxy.cut()
            try await hold(1...4)
            try await stage.webhookProxy.refuse(false)
        }
    }
}
