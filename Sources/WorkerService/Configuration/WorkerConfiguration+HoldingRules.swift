/// What has to hold between the times that a job may be held, and between the caps on its places.
extension WorkerConfiguration {
    /// A job may be held for as long as a wait and a run, and that has to be under the broker's own limit. Told at the key
    /// that is written down and can be blamed.
    var heldTooLong: ConfigurationMistake {
        let keys = [["limits", "park_after"], ["limits", "total_timeout"], ["broker", "consumer_timeout"]]
        let isTotalAlone = limits.totalTimeout >= broker.consumerTimeout
        let written = keys.dropFirst(isTotalAlone ? 1 : 0).first { source.lines[$0] != nil }
        let (total, park) = (DurationText.render(limits.totalTimeout), DurationText.render(limits.parkAfter))
        let least = DurationText.render(limits.totalTimeout + limits.parkAfter)
        return mistake(
            at: written ?? keys[1],
            "limits.total_timeout (\(total)) and limits.park_after (\(park)) are \(least) together, and a job may be held "
                + "for that long; it must be under broker.consumer_timeout "
                + "(\(DurationText.render(broker.consumerTimeout))), or the broker takes the job, and all others of this "
                + "worker, away. Shorten one of the two, or raise consumer_timeout here and at the broker")
    }

    /// Caps that cap nothing.
    func fairnessMistakes() -> [ConfigurationMistake] {
        var caps = [(["fairness", "customer_concurrency"], fairness.customerConcurrency)]
        for (name, customer) in fairness.customers.inOrder {
            caps.append((["fairness", "customers", name, "concurrency"], customer.concurrency ?? 0))
        }
        return caps.filter { $0.1 > jobs.concurrency }.map { path, _ in
            mistake(.warning, at: path, "is never reached: jobs.concurrency is \(jobs.concurrency)")
        }
    }
}
