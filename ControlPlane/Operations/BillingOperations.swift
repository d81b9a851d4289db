package import Domain
import JSONText
import PostgresDriver
package import Store

/// What stands on invoices about one side; all of it at once.
package struct BillingDetails: Sendable {
    package let name: String
    package let address: String
    package let email: String?
    package let taxNumber: String
    /// Of the platform: see `BillingSettings`.
    package let issueDay: Int32?

    package init(
        name: String, address: String, email: String?, taxNumber: String, issueDay: Int32? = nil
    ) {
        self.name = name
        self.address = address
        self.email = email
        self.taxNumber = taxNumber
        self.issueDay = issueDay
    }
}

/// Who stands on invoices, and whether a tenant pays before or after it calls.
package struct BillingOperations {
    private static let limitName = "Prepaid balance"

    let environment: OperationEnvironment

    /// nil owner: the platform, which issues the invoices.
    package func settings(
        of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> BillingSettings {
        try await environment.read(.billingRead, in: .owner(owner), by: caller) { connection in
            try await BillingStore.settings(of: owner, connection)
        }
    }

    /// Replaces what stands on the next invoices; those that were issued stay.
    package func set(
        _ details: BillingDetails, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<BillingSettings> {
        try check([details.email.flatMap { TextRule.email.check($0, at: "/email") }].compactMap(\.self))
        return try await change(
            "billing-settings.update", .billingUpdate, of: owner, by: caller
        ) { settings, _ in
            settings.name = details.name
            settings.address = details.address
            settings.email = details.email
            settings.taxNumber = details.taxNumber
            settings.issueDay = owner == nil ? details.issueDay : nil
        }
    }

    /// Prepaid: a budget of everything the tenant may spend follows its balance, and refuses calls when that
    /// is used up. Calls under way when it begins are not in it.
    package func set(
        _ mode: BillingMode, of tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<BillingSettings> {
        let now = environment.clock.now()
        return try await change(
            "billing-mode.update", .billingModeUpdate, of: tenant, by: caller
        ) { settings, connection in
            if settings.mode == mode { return }
            settings.mode = mode
            guard mode == .prepaid else {
                let limit = settings.limit
                settings.limit = nil
                // The settings let go of the budget before it goes.
                try await BillingStore.save(settings, of: tenant, at: now, connection)
                if let limit { _ = try await LimitStore.delete(limit, of: tenant, connection) }
                return
            }
            let limit = Limit(
                id: LimitID(at: now), tenant: tenant, name: Self.limitName, subject: .tenant, metric: .cost,
                amount: 1, period: .lifetime, createdAt: now, updatedAt: now)
            try await LimitStore.create(limit, connection)
            try await BillingStore.follow(limit.id, of: tenant, connection)
            settings.limit = limit.id
        }
    }

    private func change(
        _ action: String, _ permission: Permission, of owner: TenantID?, by caller: Caller,
        _ body: (inout BillingSettings, PostgresConnection) async throws -> Void
    ) async throws(OperationError) -> Changed<BillingSettings> {
        let now = environment.clock.now()
        return try await environment.write(action, permission, in: .owner(owner), by: caller) {
            connection in
            try await NounLock.take("billing settings of \(owner ?? .platform)", connection)
            let before = try await BillingStore.settings(of: owner, connection)
            var settings = before
            try await body(&settings, connection)
            try await BillingStore.save(settings, of: owner, at: now, connection)
            settings.updatedAt = now
            return Recorded(
                settings,
                AuditSubject(
                    "billing-settings", owner ?? .platform, from: Self.details(before),
                    to: Self.details(settings)))
        }
    }

    private static func details(_ settings: BillingSettings) -> JSONValue {
        [
            "mode": .string(settings.mode.rawValue), "name": .string(settings.name),
            "address": .string(settings.address), "email": settings.email.map { .string($0) } ?? .null,
            "tax_number": .string(settings.taxNumber),
            "issue_day": settings.issueDay.map { .number(JSONNumber(Int64($0))) } ?? .null,
        ]
    }
}
