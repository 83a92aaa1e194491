import Glibc
import NIOCore
import NIOSSL

extension GatewayLoop {
    /// So long a failure may wait until it is known better.
    private static let longestLook = TimeAmount.seconds(2)

    /// BoringSSL refuses a certificate that has expired and one of an unknown CA with the same words. So it is looked at
    /// once more, in a handshake that is refused in any case: nothing of a request is sent.
    ///
    /// - Parameter then: called once, on the event loop.
    func explain(_ failure: GatewayFailure, _ then: @escaping (GatewayFailure) -> Void) {
        guard let tls, failure.isUntrusted else { return then(failure) }
        let state = NIOLoopBoundBox((isExpired: false, then: Optional(then)), eventLoop: eventLoop)
        @Sendable func tell() {
            let (isExpired, waiting) = state.value
            state.value.then = nil
            waiting?(isExpired ? .expiredCertificate : failure)
        }
        let limit = eventLoop.assumeIsolated().scheduleTask(in: Self.longestLook) { tell() }
        let serverName = serverName
        dial().assumeIsolated().whenComplete { result in
            guard case .success(let channel) = result else {
                limit.cancel()
                return tell()
            }
            channel.closeFuture.assumeIsolated().whenComplete { _ in
                limit.cancel()
                tell()
            }
            do {
                let handler = try NIOSSLClientHandler(context: tls, serverHostname: serverName) {
                    certificates, verdict in
                    let now = time(nil)
                    if certificates.contains(where: { $0.notValidAfter < now }) { state.value.isExpired = true }
                    verdict.succeed(NIOSSLVerificationResult.failed)
                }
                try channel.pipeline.syncOperations.addHandler(handler)
                try self.startReading(channel)
            } catch {
                channel.close(promise: nil)
            }
            channel.eventLoop.assumeIsolated().scheduleTask(in: Self.longestLook) { channel.close(promise: nil) }
        }
    }
}
