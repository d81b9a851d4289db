import Domain
import HTTPWire
import JSONText
import Operations
import Store

enum ReratingRoutes {
    private static let base = "/api/v1/tenants/{tenant}/reratings"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.ledgerRead, in: .tenant), "reratings.list",
            "List times whose calls were rated anew, the newest first", of: .rerating
        ) { call throws(OperationError) in
            try await call.operations.reratings.list(in: try call.tenant, try call.page, by: try call.caller)
        },
        .write(
            .post, base, .needs(.usageRerate, in: .tenant), "reratings.create",
            "Rate a model's past calls anew, by corrections; as a dry run: what would change",
            body: ReratingBody.shape, status: 201, answers: .rerating
        ) { call throws(OperationError) in
            try await call.operations.reratings.create(
                try ReratingBody.value(call.body), of: try call.tenant, by: try call.caller)
        }.within(seconds: 300),
        .one(
            .get, "\(base)/{rerating}", .needs(.ledgerRead, in: .tenant), "reratings.get",
            "Get a re-rating", answers: .rerating
        ) { call throws(OperationError) in
            try await call.operations.reratings.get(
                try call.rerating, in: try call.tenant, by: try call.caller)
        },
    ]
}

enum ReratingBody {
    static let model = Field<ModelID>.required("model", .id(), "Whose calls.")
    static let from = Field<Timestamp>.required("from", .time, "Calls that began from this time on.")
    static let to = Field<Timestamp>.required("to", .time, "And before this one; at most 31 days later.")
    static let price = Field<PriceID?>.optional(
        "price", .id(), "What they are rated with; missing: of each call the price in force when it began.")
    static let markup = Field<Markup?>.optional(
        "markup_percent", .markup, "On the platform's prices; missing: the tenant's markup now.")
    static let shape = BodyShape("NewRerating", [model, from, to, price, markup])

    static func value(_ body: BodyValues) throws(OperationError) -> NewRerating {
        NewRerating(
            model: try body[model], from: try body[from], to: try body[to], price: try body[price],
            markup: try body[markup])
    }
}

extension Representation<Rerating> {
    static let rerating = Representation(
        "Rerating",
        [
            .init("id", .id(ReratingNoun.self), "Never changes.") { .text($0.id) },
            .init("tenant", .id(Tenant.self), "Whose calls.") { .text($0.tenant) },
            .init("model", .id(Model.self), "Of which model.") { .text($0.model) },
            .init("from", .time, "Calls that began from this time on.") { .text($0.from) },
            .init("to", .time, "And before this one.") { .text($0.to) },
            .init("price", .nullable(.id(Price.self)), "What they were rated with; null: as they began.") {
                .optional($0.price)
            },
            .init("markup_percent", .text(1...8), "On the platform's prices.") {
                .string($0.markup.percent)
            },
            .init("events", .count, "Calls whose cost changed.") { .integer($0.events) },
            .init("before", .money, "What these cost before. US dollars.") { .text($0.before) },
            .init("after", .money, "What they cost now.") { .text($0.after) },
            .init("difference", .money, "The one less the other.") {
                .text(NanoUSD(nanos: $0.after.nanos - $0.before.nanos))
            },
            .init("created_at", .time, "When it was done.") { .text($0.createdAt) },
            .init("created_by", .nullable(.id(User.self)), "Who did it; null: a machine.") {
                .optional($0.createdBy)
            },
        ])
}
