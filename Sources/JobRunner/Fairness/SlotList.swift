/// Small numbers in an order of their own: any of them comes and goes in constant time, and the others keep their place.
struct SlotList {
    private struct Link {
        var previous: Int?
        var next: Int?
        var isIn = false
    }

    private var links: [Link] = []
    private(set) var first: Int?
    private(set) var last: Int?

    func contains(_ slot: Int) -> Bool { slot < links.count && links[slot].isIn }

    func next(after slot: Int) -> Int? { links[slot].next }

    mutating func append(_ slot: Int) { insert(slot, between: last, and: nil) }

    /// Puts `slot` right before `other`, which is in the list.
    mutating func insert(_ slot: Int, before other: Int) {
        insert(slot, between: links[other].previous, and: other)
    }

    /// Whether it was there.
    @discardableResult
    mutating func remove(_ slot: Int) -> Bool {
        guard contains(slot) else { return false }
        let link = links[slot]
        if let previous = link.previous { links[previous].next = link.next } else { first = link.next }
        if let next = link.next { links[next].previous = link.previous } else { last = link.previous }
        links[slot] = Link()
        return true
    }

    private mutating func insert(_ slot: Int, between previous: Int?, and next: Int?) {
        while links.count <= slot { links.append(Link()) }
        links[slot] = Link(previous: previous, next: next, isIn: true)
        if let previous { links[previous].next = slot } else { first = slot }
        if let next { links[next].previous = slot } else { last = slot }
    }
}
