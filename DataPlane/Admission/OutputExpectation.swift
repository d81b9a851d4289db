import Domain

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
