package import Domain
import JSONText
import Store

/// Prices: effective-dated. One that has begun is never changed, only followed or ended, since usage names
/// it.
package struct PriceOperations {
    let environment: OperationEnvironment

    package func list(
        of model: ModelID, owner: TenantID?, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Price> {
        try await environment.read(.pricesRead, in: .owner(owner), by: caller) { connection in
            let model = try await ModelOperations.visible(model, to: owner, connection)
            return ListPage(
                try await PriceStore.list(
                    of: model.id, ownedBy: model.tenant, page.of(Price.self), connection))
        }
    }

    /// A price of the owner, or a shared one; also of a model that is gone.
    package func get(
        _ id: PriceID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Price {
        try await environment.read(.pricesRead, in: .owner(owner), by: caller) { connection in
            if let price = try await PriceStore.find(id, of: owner, connection) { return price }
            return try found(owner == nil ? nil : try await PriceStore.find(id, of: nil, connection))
        }
    }

    /// Gives a model a price from a moment on (nil: now). The past is not re-priced: the moment must not lie
    /// behind.
    package func create(
        _ table: PriceTable, from start: Timestamp?, of model: ModelID, owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Price> {
        let now = environment.clock.now()
        let start = start ?? now
        try Self.check(start, "/effective_from", at: now)
        let price = Price(
            id: PriceID(at: now), model: model, tenant: owner, table: table, effectiveFrom: start,
            createdAt: now)
        return try await environment.write("prices.create", .pricesCreate, in: .owner(owner), by: caller) {
            connection in
            guard try await PriceStore.create(price, connection) else { throw OperationError(.notFound) }
            return Recorded(price, AuditSubject("price", price.id, Self.details(price)))
        }
    }

    /// Ends a price at a moment (nil: now): from then on its model has none, until another one begins. Usage
    /// from before keeps naming it.
    package func end(
        _ id: PriceID, at end: Timestamp?, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Price> {
        let now = environment.clock.now()
        let end = end ?? now
        try Self.check(end, "/effective_until", at: now)
        return try await environment.write("prices.end", .pricesUpdate, in: .owner(owner), by: caller) {
            connection in
            let price = try found(try await PriceStore.find(id, of: owner, connection))
            guard end >= price.effectiveFrom else {
                let message = "must not lie before the price begins; delete a price that has not begun"
                throw OperationError.invalid([ValidationError("/effective_until", .outOfRange, message)])
            }
            guard let ended = try await PriceStore.end(id, of: owner, at: end, now: now, connection) else {
                throw OperationError(.conflict, detail: "It has ended already.")
            }
            return Recorded(
                ended, AuditSubject("price", id, from: Self.details(price), to: Self.details(ended)))
        }
    }

    /// Deletes a price that has not begun; `in_use` when it has.
    package func delete(
        _ id: PriceID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Price> {
        let now = environment.clock.now()
        return try await environment.write("prices.delete", .pricesDelete, in: .owner(owner), by: caller) {
            connection in
            let price = try found(try await PriceStore.find(id, of: owner, connection))
            guard try await PriceStore.delete(id, of: owner, at: now, connection) else {
                throw OperationError(
                    .inUse, detail: "It has begun, so usage may name it: end it instead of deleting it.")
            }
            return Recorded(price, AuditSubject("price", id, Self.details(price)))
        }
    }

    /// A minute of grace: the caller's clock may be behind ours.
    static func check(
        _ moment: Timestamp, _ pointer: String, at now: Timestamp
    ) throws(OperationError) {
        if moment.advanced(bySeconds: 60) >= now { return }
        throw .invalid([
            ValidationError(pointer, .outOfRange, "must not lie in the past: usage is not re-priced")
        ])
    }

    private static func details(_ price: Price) -> JSONValue {
        [
            "model": .string(price.model.description),
            "effective_from": .string(price.effectiveFrom.description),
            "effective_until": price.effectiveUntil.map { .string($0.description) } ?? .null,
            "input": .string(PriceRates.text(price.table.base.input)),
            "output": .string(PriceRates.text(price.table.base.output)),
            "tiers": .number(JSONNumber(Int64(price.table.tiers.count))),
        ]
    }
}
