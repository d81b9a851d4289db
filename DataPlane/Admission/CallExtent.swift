import Domain

/// How much a call may use, as far as its request tells.
package struct CallExtent: Sendable, Hashable {
    /// The whole body: no text has more tokens than bytes.
    package var bodyBytes: Int
    /// What else is read, at most: pictures count by their size when they are unpacked, and what is named by
    /// an address or an ID is not in the body. Unit: tokens.
    package var beyondBytes: Int64
    /// What the model reads of it.
    package var promptBytes: Int
    /// The most tokens one answer may have; nil: the request does not say.
    package var maximumOutput: Int64?
    /// Answers asked for.
    package var choices: Int64

    package init(
        bodyBytes: Int, beyondBytes: Int64 = 0, promptBytes: Int, maximumOutput: Int64? = nil,
        choices: Int64 = 1
    ) {
        self.bodyBytes = bodyBytes
        self.beyondBytes = min(max(0, beyondBytes), TokenUsage.maximumTokens)
        self.promptBytes = promptBytes
        self.maximumOutput = maximumOutput.map { min(max(0, $0), TokenUsage.maximumTokens) }
        self.choices = min(max(1, choices), 1_000)
    }

    /// No call of this extent uses more.
    func worst(imposing bound: Int64) -> TokenUsage {
        let (output, overflow) = (maximumOutput ?? bound).multipliedReportingOverflow(by: choices)
        let input = min(Int64(bodyBytes) + beyondBytes, TokenUsage.maximumTokens)
        return TokenUsage(input: input, output: overflow ? TokenUsage.maximumTokens : output)
    }

    /// What it will use, if it is like those before it; four bytes a token.
    func expected(output learned: Int64?) -> TokenUsage {
        let usual = learned ?? 256 * choices
        let most = maximumOutput.map { $0.multipliedReportingOverflow(by: choices) }
        return TokenUsage(
            input: Int64((promptBytes + 3) / 4),
            output: most.map { $0.overflow ? usual : min(usual, $0.partialValue) } ?? usual)
    }
}

/// What the answers of each key and route usually have: the length that 95 of 100 stay below, followed in
/// small steps. One loop's; loop thread.
struct OutputExpectation {
    private struct Subject: Hashable {
        let key: KeyID
        let route: RouteID
    }
    /// Subjects kept; beyond it all are learned anew.
    static let maximumSubjects = 4096

    // In twentieths of a token.
    private var lengths: [Subject: Int64] = [:]

    func output(of key: KeyID, _ route: RouteID) -> Int64? {
        lengths[Subject(key: key, route: route)].map { ($0 + 19) / 20 }
    }

    mutating func learn(_ output: Int64, of key: KeyID, _ route: RouteID) {
        let subject = Subject(key: key, route: route)
        guard let length = lengths[subject] else {
            if lengths.count >= Self.maximumSubjects { lengths.removeAll(keepingCapacity: true) }
            lengths[subject] = 20 * output
            return
        }
        let step = max(1, length / 320)
        lengths[subject] = 20 * output > length ? length + 19 * step : max(0, length - step)
    }
}
