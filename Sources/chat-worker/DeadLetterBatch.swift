import AMQP
import ArgumentParser
import JobRunner
import WorkerService

/// The dead letters that one command is about, from being chosen to being done with.
struct DeadLetterBatch {
    let filter: DeadLetterFilter
    /// What was shown to whoever was asked; nothing else is touched then.
    private var shown: Set<DeadLetter>?
    private var named: Set<String> = []
    private var kept = 0

    init(filter: DeadLetterFilter) { self.filter = filter }

    var count: Int { shown?.count ?? 0 }
    var isEmpty: Bool { count == 0 }

    /// Shows each to `say` and changes nothing. On a connection of its own: a person who thinks keeps none alive.
    mutating func survey(
        _ configuration: WorkerConfiguration, _ say: (DeadLetterDesk, DeadLetter) -> Void
    ) throws {
        var found: Set<DeadLetter> = []
        var names: Set<String> = []
        try configuration.atDesk { desk in
            try desk.walk { letter, _ in
                guard filter.matches(letter) else { return true }
                found.insert(letter)
                names.formUnion(letter.names)
                say(desk, letter)
                return true
            }
        }
        shown = found
        named = names
    }

    /// Gives each to `act`, which says whether it is done with. Tells how many were, also where the connection dies.
    mutating func work(
        _ configuration: WorkerConfiguration, _ verb: String,
        _ act: (DeadLetterDesk, DeadLetter, Delivery) throws -> Bool
    ) throws {
        var done = 0
        var kept = 0
        var names: Set<String> = []
        do {
            try configuration.atDesk { desk in
                try desk.walk { letter, delivery in
                    guard filter.matches(letter), shown?.contains(letter) ?? true else { return true }
                    names.formUnion(letter.names)
                    if try act(desk, letter, delivery) { done += 1 } else { kept += 1 }
                    return true
                }
            }
        } catch {
            if done > 0 {
                Output.error(
                    "chat-worker: stopped after \(done) were \(verb). Some of them, and the one that was at hand, may still "
                        + "be among the dead letters: see `dead list`")
            }
            throw error
        }
        named = names
        self.kept = kept
        Output.error("chat-worker: \(done) \(verb)")
    }

    /// - Throws: where one that was named by its id is not there, or was left where it is.
    func expectAllFound() throws {
        let missing = filter.ids.subtracting(named).sorted()
        if !missing.isEmpty {
            throw Unavailable("there is no such dead letter: \(missing.map { printable($0) }.joined(separator: ", "))")
        }
        if !filter.ids.isEmpty, kept > 0 { throw ExitCode(Exit.unavailable) }
    }
}
