/// How customers share the places of a worker.
public struct FairnessPolicy: Sendable, Equatable {
    /// What one customer may have.
    public struct Share: Sendable, Equatable {
        /// Tokens of this customer for each one of a customer with weight 1, while both have jobs waiting; 1 to 1000.
        public var weight: Int
        /// Jobs of this customer that may run at once; 0: no cap; `nil`: as for every customer.
        public var concurrency: Int?

        public init(weight: Int = 1, concurrency: Int? = nil) {
            self.weight = weight
            self.concurrency = concurrency
        }
    }

    /// Jobs of one customer that may run at once; 0 or `nil`: no cap.
    public var customerConcurrency: Int?
    /// Customers whose share is not everybody's.
    public var customers: [String: Share]

    public init(customerConcurrency: Int? = nil, customers: [String: Share] = [:]) {
        self.customerConcurrency = customerConcurrency
        self.customers = customers
    }

    func weight(of customer: String) -> Int { min(max(1, customers[customer]?.weight ?? 1), 1_000) }

    /// `Int.max` where there is no cap.
    func cap(of customer: String) -> Int {
        let cap = customers[customer]?.concurrency ?? customerConcurrency ?? 0
        return cap > 0 ? cap : .max
    }
}
