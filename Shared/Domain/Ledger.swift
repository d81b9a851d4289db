/// Where money stands in a tenant's books. Every transaction's entries sum to zero over these.
package enum LedgerAccount: String, Sendable, CaseIterable {
    /// What the tenant has with the platform: up when money or a credit comes in, down by usage.
    case balance
    /// What its calls at the platform's prices came to, markup and all.
    case usage
    /// What its calls at its own prices came to: it pays those providers itself, so its balance is not
    /// touched.
    case ownUsage = "own_usage"
    case ownProviders = "own_providers"
    /// What the platform's providers ask for its calls, without markup.
    case providerCosts = "provider_costs"
    case providers
    case payments
    case credits
    case adjustments

    /// The account on the other side of an amount that moves the balance; nil: none does.
    package static func counterpart(of kind: LedgerKind) -> LedgerAccount? {
        switch kind {
        case .payment: .payments
        case .credit: .credits
        case .adjustment: .adjustments
        case .usage, .correction: nil
        }
    }
}

/// Why a ledger transaction was posted.
package enum LedgerKind: String, Sendable, CaseIterable {
    /// A node's batch of calls.
    case usage
    /// Calls that were rated anew.
    case correction
    case payment
    /// Given, without being paid for.
    case credit
    case adjustment
}

/// How a tenant pays.
package enum BillingMode: String, Sendable, CaseIterable {
    /// By invoice: its balance goes below zero.
    case postpaid
    /// Before it calls: a budget that follows its balance refuses calls when it is used up.
    case prepaid
}

/// A month of the calendar, in UTC: what an invoice is about.
package struct CalendarMonth: Hashable, Comparable, Sendable, LosslessStringConvertible {
    package let first: CivilDate

    /// The month a moment lies in.
    package init(of moment: Timestamp) { self.init(of: moment.date) }

    package init(of date: CivilDate) {
        first = CivilDate(daysSinceEpoch: date.daysSinceEpoch - date.day + 1)
    }

    /// A text such as `2026-03`; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard text.utf8.count == 7, parts.count == 2, parts[0].count == 4,
            parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let year = Int(parts[0]), let month = Int(parts[1]),
            let date = CivilDate(year: year, month: month, day: 1)
        else { return nil }
        first = date
    }

    /// The first day that is not in it.
    package var end: CivilDate {
        CalendarMonth(of: CivilDate(daysSinceEpoch: first.daysSinceEpoch + 31)).first
    }

    package var description: String { String(first.description.prefix(7)) }

    package static func < (left: Self, right: Self) -> Bool { left.first < right.first }
}

extension CivilDate {
    /// The day of a text such as `2026-03-09`; nil for anything else.
    package init?(iso text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard text.utf8.count == 10, parts.map(\.utf8.count) == [4, 2, 2],
            parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2])
        else { return nil }
        self.init(year: year, month: month, day: day)
    }
}

extension NanoUSD {
    /// The amount in whole cents, half a cent away from zero: what an invoice asks for its exact total.
    package var roundedToCents: NanoUSD {
        let cent: Int64 = 10_000_000
        let (cents, rest) = (nanos / cent, nanos % cent)
        let rounded = cents + (rest.magnitude >= 5_000_000 ? (nanos < 0 ? -1 : 1) : 0)
        return NanoUSD(nanos: rounded * cent)
    }
}

/// One posting of the ledger.
package enum LedgerTransactionNoun: Identified { package static var idPrefix: StaticString { "ltx" } }
package enum InvoiceNoun: Identified { package static var idPrefix: StaticString { "invoice" } }
package enum PaymentNoun: Identified { package static var idPrefix: StaticString { "pay" } }
/// One re-rating of past calls.
package enum ReratingNoun: Identified { package static var idPrefix: StaticString { "rerate" } }
package enum ReconciliationNoun: Identified { package static var idPrefix: StaticString { "recon" } }
/// One proof that the books hold.
package enum LedgerProofNoun: Identified { package static var idPrefix: StaticString { "proof" } }
