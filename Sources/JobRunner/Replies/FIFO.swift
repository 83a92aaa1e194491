/// A queue in one array: taking is a step of an index, and the array keeps its capacity.
struct FIFO<Element> {
    private var elements: [Element?] = []
    private var next = 0

    var isEmpty: Bool { next == elements.count }
    var count: Int { elements.count &- next }

    /// The one that `popFirst` would give.
    var first: Element? { next < elements.count ? elements[next] : nil }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func append(contentsOf more: some Sequence<Element>) {
        for element in more { elements.append(element) }
    }

    /// Puts `more` before everything else.
    mutating func prepend(contentsOf more: [Element]) {
        elements.replaceSubrange(..<next, with: more)
        next = 0
    }

    mutating func popFirst() -> Element? {
        guard next < elements.count else { return nil }
        let element = elements[next].take()
        next &+= 1
        if next == elements.count {
            elements.removeAll(keepingCapacity: true)
            next = 0
        } else if next >= 1_024, next &* 2 >= elements.count {
            elements.removeSubrange(..<next)
            next = 0
        }
        return element
    }
}
