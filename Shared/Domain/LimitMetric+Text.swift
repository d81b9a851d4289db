extension LimitMetric {
    /// An amount of a decimal text: dollars with at most nine decimals for cost, else a whole number; nil for
    /// anything else. Whether it is in range `Limit.problems` says.
    package func amount(_ text: String) -> Int64? {
        if self == .cost { return NanoUSD(text)?.nanos }
        guard let count = Int64(text), String(count) == text else { return nil }
        return count
    }

    /// The decimal text of an amount.
    package func text(_ amount: Int64) -> String {
        self == .cost ? NanoUSD(nanos: amount).description : String(amount)
    }
}
