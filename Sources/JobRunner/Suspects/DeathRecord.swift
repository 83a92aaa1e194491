/// What speaks against a job: the workers that died, or seem to have, while they ran it.
struct DeathRecord: Sendable, Equatable {
    /// Processes of workers, by the name that each has given itself.
    var workers: Set<String> = []
    /// Those of them of which nobody has said yet that they are dead.
    var unheard = 0
    /// Those of them in which it was on trial, by how many suspects might run there beside it, itself among them.
    var trials: [Int] = []
    /// Other workers that died lately, without it.
    var others = 0
    /// Suspects that have passed, here or elsewhere, since a worker died last and no cause of that was found; 0 while it is not
    /// clear which workers are dead.
    var passed = 0
    /// Milliseconds between its beginning and the last beginning of any job in that worker; of several, the least. What
    /// began last before a death is looked at first.
    var lag: Int64 = 0

    /// A group so small that to try its members one by one takes little time.
    private static let few = 8
    /// So many deaths without the job that somebody seems to kill workers, whatever runs there.
    private static let many = 4

    var deaths: Int { workers.count }

    /// Those in which no other suspect ran beside it.
    var alone: Int { trials.count { $0 == 1 } }

    /// Whether it is given up. Three workers have died with it, and twice nothing else can have been the cause; or once, if
    /// few workers die without it. A worker that somebody kills must not end a job that merely ran there.
    var isProven: Bool { deaths >= 3 && (alone >= 2 || alone == 1 && others < Self.many) }

    /// It was on trial among few when a worker died, or on trial twice: from now on it is tried alone. Of a larger group most
    /// would wait for long: it is tried in groups once more. Before its trial it was one of a crowd, which says little: who
    /// kills workers again and again would else have all that runs there tried one by one.
    var mustBeAlone: Bool { trials.count >= 2 || trials.contains { $0 <= Self.few } }

    /// Who is tried before whom: first what was on trial when a worker died, since to find the cause there clears all that
    /// merely ran beside it. Twice on trial, it may be one of many that wait for a place of their own: the others go first.
    private var rank: Int {
        switch trials.count {
        case 0: 1
        case 1: 0
        default: 2
        }
    }

    var order: (rank: Int, lag: Int64) { (rank, lag) }
}
