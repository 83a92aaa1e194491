package import NIOCore

/// A deadline that moves often and is reached seldom, as that of a stream with every chunk.
///
/// Moving it later costs one store: the event loop's callback stays where it is, and when it comes too early it is armed
/// again. Bound to its event loop.
package final class LoopTimer: NIOScheduledCallbackHandler {
    private let loop: any EventLoop
    private var action: (() -> Void)?
    private var deadline: NIODeadline?
    private var callback: NIOScheduledCallback?
    private var callbackAt = NIODeadline.distantFuture

    /// - Parameter action: runs on the loop, each time that a deadline is reached; may retain the timer's owner only where that one calls
    ///     `invalidate`.
    package init(loop: any EventLoop, action: @escaping () -> Void) {
        self.loop = loop
        self.action = action
    }

    /// `nil`: nothing is awaited for now.
    package func set(_ deadline: NIODeadline?) {
        self.deadline = deadline
        guard let deadline, action != nil, callback == nil || deadline < callbackAt else { return }
        arm(deadline)
    }

    /// No action any more, and nothing left behind in the loop.
    package func invalidate() {
        action = nil
        deadline = nil
        callback?.cancel()
        callback = nil
    }

    package func handleScheduledCallback(eventLoop: some EventLoop) {
        callback = nil
        guard let deadline else { return }
        if NIODeadline.now() < deadline {
            arm(deadline)
        } else {
            self.deadline = nil
            action?()
        }
    }

    private func arm(_ deadline: NIODeadline) {
        callback?.cancel()
        callbackAt = deadline
        // Fails only on a loop that is shutting down, where nothing is awaited any more.
        callback = try? loop.assumeIsolated().scheduleCallback(at: deadline, handler: self)
    }
}
