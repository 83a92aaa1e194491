package import ChatModel
package import JobRunner

/// What is known of one job of one customer, put together from events and dead letters. Pure.
package struct JobStory: Sendable, Equatable {
    /// Where the job is, as far as the events tell.
    package enum Place: Sendable, Equatable {
        /// It asks a gateway, at this worker.
        case running(worker: String?, since: Timestamp)
        /// A worker gave an attempt up and has the job still: the next attempt begins soon.
        case betweenAttempts(worker: String?)
        /// In a waiting queue.
        case waiting(queue: String, until: Timestamp?)
        /// On a queue of jobs, to be taken by any worker.
        case queued(queue: String?)
        case ended(outcome: String, at: Timestamp)
    }

    /// What is known of its webhook.
    package enum WebhookPlace: Sendable, Equatable {
        case none
        case queued
        case retrying(next: Timestamp?)
        case delivered(at: Timestamp)
        case dead(reason: String?)
    }

    package let job: String
    package let customer: String
    /// In the order of the journal, which is that in which workers wrote; none twice.
    package private(set) var events: [JournalEvent] = []
    package private(set) var deadLetters: [DeadLetter] = []

    package init(job: String, customer: String) {
        self.job = job
        self.customer = customer
    }

    /// An event can come twice: after a crash, and where a worker wrote it again.
    package mutating func note(_ event: JournalEvent) {
        let isRepeated = events.contains { known in
            guard known.attempt == event.attempt else { return false }
            switch (known.kind, event.kind) {
            // A started event comes again with each larger reservation.
            case (.started, .started): return true
            case (.usage(let one), .usage(let other)): return one.isLast == other.isLast
            default: return known == event
            }
        }
        if !isRepeated { events.append(event) }
    }

    package mutating func note(_ letter: DeadLetter) { deadLetters.append(letter) }

    package var place: Place {
        // What ended with the highest attempt counts; an event of a lower one may come late.
        var place = Place.queued(queue: nil)
        var highest: Int64 = .min
        for event in events {
            // It was over when the later one began, whenever its end is read.
            if event.attempt < highest { continue }
            let next: Place
            switch event.kind {
            case .started: next = .running(worker: event.worker, since: event.time)
            case .usage(let usage) where usage.isLast: next = .ended(outcome: usage.outcome, at: event.time)
            case .usage(let usage):
                if case .ended = place, event.attempt == highest { continue }
                next = usage.outcome == "killed" ? .queued(queue: nil) : .betweenAttempts(worker: event.worker)
            case .moved("parked", let queue, let until, _): next = .waiting(queue: queue, until: until)
            case .moved("dead", _, _, _): next = .ended(outcome: "dead", at: event.time)
            case .moved(_, let queue, _, _): next = .queued(queue: queue)
            case .webhook, .cancelIgnored: continue
            }
            if case .ended(let outcome, _) = place, outcome != "dead", case .ended("dead", _) = next { continue }
            highest = event.attempt
            place = next
        }
        return place
    }

    package var webhook: WebhookPlace {
        var place = WebhookPlace.none
        for event in events {
            switch event.kind {
            case .usage(let usage) where usage.webhookID != nil: place = .queued
            case .webhook(let webhook):
                switch webhook.state {
                case "delivered": place = .delivered(at: event.time)
                case "dead": place = .dead(reason: webhook.reason)
                default: place = .retrying(next: webhook.next)
                }
            default: break
            }
        }
        return place
    }

    /// When it was published, where its message said so; to the second. A life that a worker had begun tells it best.
    package var queuedAt: Timestamp? {
        for event in events {
            guard case .usage(let usage) = event.kind, let queued = usage.queuedMilliseconds, queued > 0,
                let begun = events.first(where: { $0.kind.isStart && $0.life == event.life })?.time
            else { continue }
            return Timestamp(milliseconds: begun.milliseconds - Int64(clampedTo: queued))
        }
        return nil
    }

    /// All attempts together; `nil` where none has a price.
    package var cost: Money? {
        events.reduce(nil) { total, event in
            guard case .usage(let usage) = event.kind, let cost = usage.cost else { return total }
            return (total ?? .zero) + cost
        }
    }

    /// Times that its message was delivered, republished or replayed: each begins a life of its own.
    package var lives: Int { Set(events.compactMap { $0.kind.isStart ? $0.life : nil }).count }
}

extension JournalEvent.Kind {
    package var isStart: Bool { if case .started = self { true } else { false } }
}

extension JournalEvent {
    /// Which delivery of the message it belongs to.
    var life: Int64 { attempt / 1_000 }
}

extension Int64 {
    /// What comes from a message or from another program may be any number; 0 for one that is not finite.
    package init(clampedTo number: Double) {
        self = number.isFinite ? Int64(Swift.min(Swift.max(number, -1e15), 1e15)) : 0
    }
}
