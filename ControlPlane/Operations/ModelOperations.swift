package import Domain
import JSONText
import PostgresDriver
import Store

/// What a new model is made of.
package struct NewModel: Sendable {
    package var provider: ProviderID
    package var name: String
    package var displayName: String
    package var contextWindow: Int32?
    package var maximumOutput: Int32?

    package init(
        provider: ProviderID, name: String, displayName: String, contextWindow: Int32? = nil,
        maximumOutput: Int32? = nil
    ) {
        self.provider = provider
        self.name = name
        self.displayName = displayName
        self.contextWindow = contextWindow
        self.maximumOutput = maximumOutput
    }
}

/// Priced things providers offer; they belong to the owner of their provider.
package struct ModelOperations {
    let environment: OperationEnvironment

    /// A tenant sees its own models and the shared ones: both can be targets of its routes.
    package func list(
        of owner: TenantID?, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Model> {
        try await environment.read(.modelsRead, in: .owner(owner), by: caller) { connection in
            let page = page.of(Model.self)
            guard let owner else { return ListPage(try await ModelStore.list(of: nil, page, connection)) }
            return ListPage(try await ModelStore.listUsable(by: owner, page, connection))
        }
    }

    package func get(
        _ id: ModelID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Model {
        try await environment.read(.modelsRead, in: .owner(owner), by: caller) { connection in
            try await Self.visible(id, to: owner, connection)
        }
    }

    /// A model of the owner, or a shared one.
    static func visible(
        _ id: ModelID, to owner: TenantID?, _ connection: PostgresConnection
    ) async throws -> Model {
        if let model = try await ModelStore.find(id, of: owner, connection) { return model }
        return try found(owner == nil ? nil : try await ModelStore.find(id, of: nil, connection))
    }

    package func create(
        _ new: NewModel, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Model> {
        try check(
            Model.problems(
                name: new.name, displayName: new.displayName, contextWindow: new.contextWindow,
                maximumOutput: new.maximumOutput))
        let now = environment.clock.now()
        let model = Model(
            id: ModelID(at: now), provider: new.provider, tenant: owner, name: new.name,
            displayName: new.displayName, contextWindow: new.contextWindow, maximumOutput: new.maximumOutput,
            createdAt: now, updatedAt: now)
        return try await environment.write("models.create", .modelsCreate, in: .owner(owner), by: caller) {
            connection in
            try await ModelStore.create(model, connection)
            return Recorded(
                model,
                AuditSubject(
                    "model", model.id,
                    ["name": .string(model.name), "provider": .string(model.provider.description)]))
        }
    }
}

/// Prices: effective-dated, never changed, only followed.
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

    /// Gives a model a price from a moment on (nil: now). The past is not re-priced: the moment must not lie
    /// behind.
    package func create(
        _ rates: PriceRates, from start: Timestamp?, of model: ModelID, owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Price> {
        let now = environment.clock.now()
        let start = start ?? now
        // A minute of grace: the caller's clock may be behind ours.
        guard start.advanced(bySeconds: 60) >= now else {
            throw .invalid([
                ValidationError(
                    "/effective_from", .outOfRange, "must not lie in the past: usage is not re-priced")
            ])
        }
        let price = Price(
            id: PriceID(at: now), model: model, tenant: owner, rates: rates, effectiveFrom: start,
            createdAt: now)
        return try await environment.write("prices.create", .pricesCreate, in: .owner(owner), by: caller) {
            connection in
            try await PriceStore.create(price, connection)
            return Recorded(
                price,
                AuditSubject(
                    "price", price.id,
                    [
                        "model": .string(model.description), "effective_from": .string(start.description),
                        "input": .string(PriceRates.text(rates.input)),
                        "output": .string(PriceRates.text(rates.output)),
                    ]))
        }
    }
}
