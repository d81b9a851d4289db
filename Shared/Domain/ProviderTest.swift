/// What a test of a provider found.
package struct ProviderTest: Hashable, Sendable {
    package enum Outcome: String, Sendable, CaseIterable {
        /// It answered, and took the credential.
        case passed
        /// It answered, but refused the credential.
        case credentialRejected = "credential_rejected"
        /// It answered with an error, or with something that is no list of models.
        case failed
        /// No answer: no connection, no time left, or an address that may not be dialled.
        case unreachable
    }

    package let testedAt: Timestamp
    package let outcome: Outcome
    package let status: Int32?
    package let latencyMilliseconds: Int32
    /// How many models it listed; nil when it lists none.
    package let models: Int32?
    /// In words; empty when it passed.
    package let problem: String

    package init(
        testedAt: Timestamp, outcome: Outcome, status: Int32?, latencyMilliseconds: Int32, models: Int32?,
        problem: String
    ) {
        self.testedAt = testedAt
        self.outcome = outcome
        self.status = status
        self.latencyMilliseconds = latencyMilliseconds
        self.models = models
        self.problem = problem
    }
}
