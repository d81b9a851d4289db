package import Domain
import JSONText
import PostgresDriver
package import Store

/// Which calls are rated anew, and by what.
package struct NewRerating: Sendable {
    package let model: ModelID
    package let from: Timestamp
    package let to: Timestamp
    /// nil: of each call the price that was in force when it began.
    package let price: PriceID?
    /// nil: the tenant's markup now.
    package let markup: Markup?

    package init(model: ModelID, from: Timestamp, to: Timestamp, price: PriceID?, markup: Markup?) {
        self.model = model
        self.from = from
        self.to = to
        self.price = price
        self.markup = markup
    }
}

/// Past calls rated anew: by corrections beside them, in one transaction with their sums and the books.
package struct ReratingOperations {
    package static let maximumDays: Int64 = 31

    let environment: OperationEnvironment

    package func list(
        in tenant: TenantID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Rerating> {
        try await environment.read(.ledgerRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(try await ReratingStore.list(of: tenant, page.of(ReratingNoun.self), connection))
        }
    }

    package func get(
        _ id: ReratingID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Rerating {
        try await environment.read(.ledgerRead, in: .tenant(tenant), by: caller) { connection in
            try found(try await ReratingStore.find(id, of: tenant, connection))
        }
    }

    /// Rates a model's calls of a time anew. The same again changes nothing: what is compared is what calls
    /// cost with the corrections they have. A dry run shows the difference.
    package func create(
        _ new: NewRerating, of tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Rerating> {
        let now = environment.clock.now()
        guard new.from < new.to, new.to <= now else {
            throw .invalid([
                ValidationError("/to", .outOfRange, "must lie after from, and not in the future")
            ])
        }
        guard new.to.microseconds(since: new.from) <= Self.maximumDays * 86_400_000_000 else {
            throw .invalid([
                ValidationError("/from", .outOfRange, "must lie at most \(Self.maximumDays) days before to")
            ])
        }
        return try await environment.write(
            "reratings.create", .usageRerate, in: .tenant(tenant), by: caller
        ) { connection in
            // Two at once would both correct the same difference.
            try await NounLock.take("reratings of \(tenant)", connection)
            if let price = new.price { try await demand(price, of: new.model, in: tenant, connection) }
            var markup = new.markup
            if markup == nil { markup = try await MarkupStore.find(tenant, connection) }
            let rerating = try await ReratingStore.run(
                Rerating(
                    id: ReratingID(at: now), tenant: tenant, model: new.model, from: new.from, to: new.to,
                    price: new.price, markup: markup ?? .none, createdAt: now, createdBy: caller.user),
                connection)
            try await BillingStore.refreshAmount(of: tenant, connection)
            return Recorded(rerating, AuditSubject("rerating", rerating.id, Self.details(rerating)))
        }
    }

    private func demand(
        _ price: PriceID, of model: ModelID, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws {
        var known = try await PriceStore.find(price, of: tenant, connection)
        if known == nil { known = try await PriceStore.find(price, of: nil, connection) }
        guard known?.model == model else {
            throw OperationError.missing("/price", "a price of this model")
        }
    }

    private static func details(_ rerating: Rerating) -> JSONValue {
        [
            "model": .string(rerating.model.description), "from": .string(rerating.from.description),
            "to": .string(rerating.to.description),
            "price": rerating.price.map { .string($0.description) } ?? .null,
            "markup": .string(rerating.markup.percent),
            "events": .number(JSONNumber(rerating.events)),
            "before": .string(rerating.before.description), "after": .string(rerating.after.description),
        ]
    }
}
