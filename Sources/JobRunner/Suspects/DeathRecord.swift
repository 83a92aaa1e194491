/// What speaks against a job: the workers that died, or seem to have, while they ran it.
struct DeathRecord: Sendable, Equatable {
    /// Processes of workers, by the name that each has given itself.
    var workers: Set<String> = []
    /// Those of them in which no other suspect ran beside it.
    var alone = 0
    /// Other workers that died lately, without it.
    var others = 0
    /// Milliseconds between its beginning and the last beginning of any job in that worker; of several, the least. What
    /// began last before a death is looked at first.
    var lag: Int64 = 0

    var deaths: Int { workers.count }

    /// Whether it is given up. Three workers have died with it, and twice nothing else can have been the cause; or once, if
    /// hardly any worker dies without it. A worker that somebody kills must not end a job that merely ran there.
    var isProven: Bool { deaths >= 3 && (alone >= 2 || alone == 1 && others <= 1) }

    /// It has been among several suspects when a worker died, or alone: from now on it is tried alone.
    var mustBeAlone: Bool { deaths >= 2 }
}
