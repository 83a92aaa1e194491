/// An amount of USD in billionths (the price of a token of the cheapest models is some hundreds of them). Whole numbers,
/// so that sums are the same in every worker; they stop at the largest instead of overflowing.
public struct Money: Sendable, Hashable, Comparable {
    public var billionths: Int64

    public static let zero = Money(billionths: 0)
    public static let most = Money(billionths: .max)

    public init(billionths: Int64) { self.billionths = billionths }

    /// Rounded up: what costs something never counts as nothing. Not a number, and what is negative, is nothing.
    public init(usd: Double) {
        let amount = (usd * 1e9).rounded(.up)
        billionths = amount >= 9e18 ? .max : amount > 0 ? Int64(amount) : 0
    }

    public static func + (left: Money, right: Money) -> Money {
        let (sum, overflows) = left.billionths.addingReportingOverflow(right.billionths)
        return overflows ? (right.billionths > 0 ? .most : Money(billionths: .min)) : Money(billionths: sum)
    }

    public static func - (left: Money, right: Money) -> Money {
        let (rest, overflows) = left.billionths.subtractingReportingOverflow(right.billionths)
        return overflows ? (right.billionths > 0 ? Money(billionths: .min) : .most) : Money(billionths: rest)
    }

    public static func < (left: Money, right: Money) -> Bool { left.billionths < right.billionths }

    /// USD with nine decimals and no exponent, as a JSON number.
    public var decimal: String {
        let units = billionths.magnitude
        let fraction = String(units % 1_000_000_000)
        let sign = billionths < 0 ? "-" : ""
        return "\(sign)\(units / 1_000_000_000)." + String(repeating: "0", count: 9 - fraction.count) + fraction
    }
}

extension Price {
    /// What so many tokens cost.
    ///
    /// - Parameters:
    ///   - promptTokens: all of the request, with those that were read from a cache and written to one.
    ///   - cachedTokens: of these, those that the provider found in its cache.
    ///   - cacheWriteTokens: of these, those that it wrote to its cache.
    public func cost(
        promptTokens: Int, completionTokens: Int, cachedTokens: Int = 0, cacheWriteTokens: Int = 0
    ) -> Money {
        let plain = Double(promptTokens) - Double(cachedTokens) - Double(cacheWriteTokens)
        let prompt =
            max(plain, 0) * input + Double(cachedTokens) * (cachedInput ?? input)
            + Double(cacheWriteTokens) * (cacheWrite ?? input)
        // A millionth of a USD for each token and each USD of the price of a million.
        return Money(usd: (prompt + Double(completionTokens) * output) / 1_000_000)
    }

    /// The most that so many tokens can cost, whatever of the prompt is read from a cache or written to one.
    public func mostCost(promptTokens: Int, completionTokens: Int) -> Money {
        let dearest = max(input, cachedInput ?? input, cacheWrite ?? input)
        return Price(input: dearest, output: output)
            .cost(promptTokens: promptTokens, completionTokens: completionTokens)
    }

    /// How many tokens of the answer fit into an amount; `Int.max` where they cost nothing.
    public func completionTokens(within amount: Money) -> Int {
        guard output > 0 else { return .max }
        let tokens = Double(max(amount.billionths, 0)) / (output * 1_000)
        return tokens >= 9e18 ? .max : Int(tokens)
    }
}
