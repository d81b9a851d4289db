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
    package var capabilities: [ModelCapability]
    package var source: String

    package init(
        provider: ProviderID, name: String, displayName: String, contextWindow: Int32? = nil,
        maximumOutput: Int32? = nil, capabilities: [ModelCapability] = [], source: String = ""
    ) {
        self.provider = provider
        self.name = name
        self.displayName = displayName
        self.contextWindow = contextWindow
        self.maximumOutput = maximumOutput
        self.capabilities = capabilities
        self.source = source
    }
}

/// What changes about a model; nil stays as it is.
package struct ModelChange: Sendable {
    package var name: String?
    package var displayName: String?
    package var contextWindow: Edit<Int32> = .keep
    package var maximumOutput: Edit<Int32> = .keep
    package var capabilities: [ModelCapability]?
    package var source: String?

    package init() {}
}

/// Priced things providers offer; they belong to the owner of their provider.
package struct ModelOperations {
    let environment: OperationEnvironment

    /// A tenant sees its own models and the shared ones: both can be targets of its routes.
    package func list(
        of owner: TenantID?, where filter: ModelFilter = ModelFilter(), _ page: PageRequest,
        by caller: Caller
    ) async throws(OperationError) -> ListPage<Model> {
        try await environment.read(.modelsRead, in: .owner(owner), by: caller) { connection in
            let page = page.of(Model.self)
            guard let owner else {
                return ListPage(try await ModelStore.list(of: nil, where: filter, page, connection))
            }
            return ListPage(try await ModelStore.listUsable(by: owner, where: filter, page, connection))
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
            capabilities: new.capabilities, source: new.source, createdAt: now, updatedAt: now)
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

extension ModelOperations {
    package func update(
        _ id: ModelID, _ change: ModelChange, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Model> {
        try await environment.write("models.update", .modelsUpdate, in: .owner(owner), by: caller) {
            connection in
            var model = try found(try await ModelStore.find(id, of: owner, connection))
            let seen = model.updatedAt
            let before = Self.details(model)
            model.name = change.name ?? model.name
            model.displayName = change.displayName ?? model.displayName
            model.contextWindow = change.contextWindow.applied(to: model.contextWindow)
            model.maximumOutput = change.maximumOutput.applied(to: model.maximumOutput)
            if let capabilities = change.capabilities {
                model.capabilities = ModelCapability.allCases.filter(capabilities.contains)
            }
            model.source = change.source ?? model.source
            model.updatedAt = environment.clock.now()
            try check(
                Model.problems(
                    name: model.name, displayName: model.displayName, contextWindow: model.contextWindow,
                    maximumOutput: model.maximumOutput))
            guard try await ModelStore.update(model, expecting: seen, connection) != nil else {
                throw OperationError(.preconditionFailed)
            }
            return Recorded(model, AuditSubject("model", id, from: before, to: Self.details(model)))
        }
    }

    /// Deletes it; its price in force ends, and those to come go. `in_use` while a route names it.
    package func delete(
        _ id: ModelID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Model> {
        try await environment.write("models.delete", .modelsDelete, in: .owner(owner), by: caller) {
            connection in
            let model = try found(try await ModelStore.find(id, of: owner, connection))
            do throws(PostgresError) {
                _ = try await ModelStore.delete(id, of: owner, at: environment.clock.now(), connection)
            } catch  where error.constraint == Constraint.targetModelExists {
                throw OperationError(.inUse, detail: "A route has it as a target.")
            }
            return Recorded(model, AuditSubject("model", id, Self.details(model)))
        }
    }

    static func details(_ model: Model) -> JSONValue {
        func size(_ tokens: Int32?) -> JSONValue {
            tokens.map { .number(JSONNumber(Int64($0))) } ?? .null
        }
        return [
            "name": .string(model.name), "display_name": .string(model.displayName),
            "provider": .string(model.provider.description), "context_window": size(model.contextWindow),
            "maximum_output": size(model.maximumOutput),
            "capabilities": .array(model.capabilities.map { .string($0.rawValue) }),
        ]
    }
}

/// What tenants pay on top of the platform's prices. Only the platform says.
package struct MarkupOperations {
    let environment: OperationEnvironment

    package func get(of tenant: TenantID, by caller: Caller) async throws(OperationError) -> Markup {
        try await environment.read(.pricesRead, in: .tenant(tenant), by: caller) { connection in
            try found(try await MarkupStore.find(tenant, connection))
        }
    }

    /// From now on; usage that came in is not rated again.
    package func set(
        _ markup: Markup, of tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Markup> {
        try caller.demand(.markupsUpdate, in: .tenant(tenant))
        return try await environment.write(
            "markups.update", in: .tenant(tenant), by: AuditActor(caller)
        ) { connection in
            let before = try found(try await MarkupStore.find(tenant, connection))
            _ = try await MarkupStore.set(markup, of: tenant, at: environment.clock.now(), connection)
            return Recorded(
                markup,
                AuditSubject(
                    "tenant", tenant, from: ["markup_percent": .string(before.percent)],
                    to: ["markup_percent": .string(markup.percent)]))
        }
    }
}
