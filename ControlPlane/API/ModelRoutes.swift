import Domain
import HTTPWire
import Operations

enum ModelRoutes {
    static let all: [AdminRoute] =
        models(of: .tenant) + prices(of: .tenant) + imports(of: .tenant)
        + models(of: .platform) + prices(of: .platform) + imports(of: .platform) + markups

    private static let markups: [AdminRoute] = [
        .one(
            .get, "/api/v1/tenants/{tenant}/markup", .needs(.pricesRead, in: .tenant), "markups.get",
            "What a tenant pays on top of the platform's prices", answers: .markup
        ) { call throws(OperationError) in
            try await call.operations.markups.get(of: try call.tenant, by: try call.caller)
        },
        .write(
            .put, "/api/v1/tenants/{tenant}/markup", .needs(.markupsUpdate, in: .tenant), "markups.update",
            "Set what a tenant pays on top of the platform's prices; only the platform can",
            body: MarkupBody.shape, answers: .markup
        ) { call throws(OperationError) in
            try await call.operations.markups.set(
                try call.body[MarkupBody.percent], of: try call.tenant, by: try call.caller)
        },
    ]

    private static func imports(of owner: Ownership) -> [AdminRoute] {
        [
            .write(
                .post, "\(owner.basePath)/model-imports", .needs(.modelsCreate, in: owner.place),
                "\(owner.noun("models")).import",
                "Make and price a provider's models from a file, or from the catalogue of this release",
                body: PriceImportBody.shape, answers: .priceImportReport
            ) { call throws(OperationError) in
                try await call.operations.priceImports.run(
                    try PriceImportBody.value(call.body), of: try owner.tenant(of: call),
                    by: try call.caller)
            }.takingBodies(ofBytes: PriceImportBody.maximumBytes),
            AdminRoute(
                method: .get, path: "\(owner.basePath)/providers/{provider}/model-export",
                access: .needs(.pricesRead, in: owner.place),
                operationID: "\(owner.noun("models")).export",
                summary: "A provider's models and the prices in force, in the community's format", query: nil,
                body: nil,
                answer: AnswerShape(status: 200, content: .text(mediaType: "application/json"))
            ) { call throws(OperationError) in
                .json(
                    try await call.operations.priceImports.export(
                        try call.provider, of: try owner.tenant(of: call), by: try call.caller),
                    status: 200)
            },
        ]
    }

    private static func models(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/models"
        let noun = owner.noun("models")
        let whose = owner == .tenant ? "the tenant's own and the shared ones" : "the shared ones"
        return [
            .list(
                base, .needs(.modelsRead, in: owner.place), "\(noun).list", "List models: \(whose)",
                query: ModelQuery.fields, of: .model
            ) { call throws(OperationError) in
                try await call.operations.models.list(
                    of: try owner.tenant(of: call), where: try ModelQuery.value(call.query), try call.page,
                    by: try call.caller)
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
            .write(
                .patch, "\(base)/{model}", .needs(.modelsUpdate, in: owner.place), "\(noun).update",
                "Change a model", body: ModelChangeBody.shape, answers: .model
            ) { call throws(OperationError) in
                try await call.operations.models.update(
                    try call.model, try ModelChangeBody.value(call.body), of: try owner.tenant(of: call),
                    by: try call.caller)
            },
            .write(
                .delete, "\(base)/{model}", .needs(.modelsDelete, in: owner.place), "\(noun).delete",
                "Delete a model; its price in force ends", answers: .model
            ) { call throws(OperationError) in
                try await call.operations.models.delete(
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
                    try PriceBody.table(call.body), from: try call.body[PriceBody.effectiveFrom],
                    of: try call.model, owner: try owner.tenant(of: call), by: try call.caller)
            },
        ] + existingPrices(of: owner)
    }

    private static func existingPrices(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/prices/{price}"
        let noun = owner.noun("prices")
        return [
            .one(
                .get, base, .needs(.pricesRead, in: owner.place), "\(noun).get",
                "Get a price, also one of a model that is gone", answers: .price
            ) { call throws(OperationError) in
                try await call.operations.prices.get(
                    try call.price, of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .post, "\(base)/end", .needs(.pricesUpdate, in: owner.place), "\(noun).end",
                "End a price: from then on its model has none, until another one begins",
                body: PriceEndBody.shape, answers: .price
            ) { call throws(OperationError) in
                try await call.operations.prices.end(
                    try call.price, at: try call.body[PriceEndBody.effectiveUntil],
                    of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .delete, base, .needs(.pricesDelete, in: owner.place), "\(noun).delete",
                "Delete a price that has not begun", answers: .price
            ) { call throws(OperationError) in
                try await call.operations.prices.delete(
                    try call.price, of: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }
}
