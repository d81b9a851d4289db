import Domain
import HTTPWire
import Operations

enum ModelRoutes {
    static let all: [AdminRoute] =
        models(of: .tenant) + prices(of: .tenant) + models(of: .platform) + prices(of: .platform)

    private static func models(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/models"
        let noun = owner.noun("models")
        let whose = owner == .tenant ? "the tenant's own and the shared ones" : "the shared ones"
        return [
            .list(
                base, .needs(.modelsRead, in: owner.place), "\(noun).list", "List models: \(whose)",
                of: .model
            ) { call throws(OperationError) in
                try await call.operations.models.list(
                    of: try owner.tenant(of: call), try call.page, by: try call.caller)
            },
            .write(
                .post, base, .needs(.modelsCreate, in: owner.place), "\(noun).create", "Create a model",
                body: ModelBody.shape, status: 201, answers: .model
            ) { call throws(OperationError) in
                try await call.operations.models.create(
                    try ModelBody.value(call.body), of: try owner.tenant(of: call), by: try call.caller)
            },
            .one(
                .get, "\(base)/{model}", .needs(.modelsRead, in: owner.place), "\(noun).get", "Get a model",
                answers: .model
            ) { call throws(OperationError) in
                try await call.operations.models.get(
                    try call.model, of: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }

    private static func prices(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/models/{model}/prices"
        let noun = owner.noun("prices")
        return [
            .list(
                base, .needs(.pricesRead, in: owner.place), "\(noun).list",
                "List a model's prices, the newest first", of: .price
            ) { call throws(OperationError) in
                try await call.operations.prices.list(
                    of: try call.model, owner: try owner.tenant(of: call), try call.page, by: try call.caller)
            },
            .write(
                .post, base, .needs(.pricesCreate, in: owner.place), "\(noun).create",
                "Give a model a price from a moment on", body: PriceBody.shape, status: 201, answers: .price
            ) { call throws(OperationError) in
                try await call.operations.prices.create(
                    try PriceBody.rates(call.body), from: try call.body[PriceBody.effectiveFrom],
                    of: try call.model, owner: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }
}
