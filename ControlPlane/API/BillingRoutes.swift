import Domain
import HTTPWire
import JSONText
import Operations
import Store

enum BillingRoutes {
    static let all: [AdminRoute] = settings(of: .tenant) + settings(of: .platform) + mode

    private static func settings(of owner: Ownership) -> [AdminRoute] {
        let path = "\(owner.basePath)/billing-settings"
        let noun = owner == .tenant ? "billing-settings" : "platform-billing-settings"
        return [
            .one(
                .get, path, .needs(.billingRead, in: owner.place), "\(noun).get",
                owner == .tenant ? "Who stands on the tenant's invoices" : "Who issues invoices",
                answers: .billingSettings
            ) { call throws(OperationError) in
                try await call.operations.billing.settings(
                    of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .put, path, .needs(.billingUpdate, in: owner.place), "\(noun).update",
                "Settle what stands on the next invoices",
                body: owner == .tenant ? BillingBody.shape : BillingBody.platformShape,
                answers: .billingSettings
            ) { call throws(OperationError) in
                try await call.operations.billing.set(
                    try BillingBody.value(call.body, of: owner), of: try owner.tenant(of: call),
                    by: try call.caller)
            },
        ]
    }

    private static let mode: [AdminRoute] = [
        .write(
            .post, "/api/v1/tenants/{tenant}/billing-mode", .needs(.billingModeUpdate, in: .tenant),
            "billing-mode.update", "Settle whether a tenant pays before or after it calls",
            body: BillingModeBody.shape, answers: .billingSettings
        ) { call throws(OperationError) in
            try await call.operations.billing.set(
                try call.body[BillingModeBody.mode], of: try call.tenant, by: try call.caller)
        }
    ]
}

enum BillingBody {
    static let name = Field<String>.required("name", .anyText(0...200), "The name on invoices.")
    static let address = Field<String>.defaulted(
        "address", .anyText(0...1000), to: "", "As many lines as it needs.")
    static let email = Field<String?>.optional(
        "email", .anyText(3...254), "Where invoices are mailed to, as PDF; none: nowhere.")
    static let taxNumber = Field<String>.defaulted(
        "tax_number", .anyText(0...100), to: "", "As its country writes it.")
    static let issueDay = Field<Int32?>.optional(
        "issue_day", .integer(1...28),
        "From which day of the month on (UTC) invoices of the month before are issued by themselves, for "
            + "every tenant that used something; missing: they are issued by hand.")
    static let shape = BodyShape("BillingSettingsChange", [name, address, email, taxNumber])
    static let platformShape = BodyShape(
        "PlatformBillingSettingsChange", [name, address, email, taxNumber, issueDay])

    static func value(_ body: BodyValues, of owner: Ownership) throws(OperationError) -> BillingDetails {
        BillingDetails(
            name: try body[name], address: try body[address], email: try body[email],
            taxNumber: try body[taxNumber], issueDay: owner == .platform ? try body[issueDay] : nil)
    }
}

enum BillingModeBody {
    static let mode = Field<BillingMode>.required(
        "mode", .word(), "prepaid: calls are refused when the balance is used up.")
    static let shape = BodyShape("BillingModeChange", [mode])
}

extension Representation<BillingSettings> {
    static let billingSettings = Representation(
        "BillingSettings",
        [
            .init("mode", .words(BillingMode.allCases.map(\.rawValue)), "Of a tenant: when it pays.") {
                .string($0.mode.rawValue)
            },
            .init("limit", .nullable(.id(Limit.self)), "The budget that follows a prepaid balance.") {
                .optional($0.limit)
            },
            .init("name", .text(0...200), "The name on invoices; empty: the tenant's.") {
                .string($0.name)
            },
            .init("address", .text(0...1000), "As many lines as it needs.") { .string($0.address) },
            .init("email", .nullable(.text(3...254)), "Where invoices are sent.") { .optional($0.email) },
            .init("tax_number", .text(0...100), "As its country writes it.") { .string($0.taxNumber) },
            .init(
                "issue_day", .nullable(.integer(1...28)),
                "Of the platform: from which day of the month on last month's invoices are issued by "
                    + "themselves; null: by hand."
            ) { .optional($0.issueDay) },
            .init("updated_at", .nullable(.time), "When it was last settled; null: never.") {
                .optional($0.updatedAt)
            },
        ])
}
