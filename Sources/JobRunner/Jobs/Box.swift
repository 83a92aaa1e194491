/// A value with an allocation of its own: what few jobs have need not have room in all of them.
final class Box<Value> {
    let value: Value

    init(_ value: Value) { self.value = value }
}

extension Box: Sendable where Value: Sendable {}
