import CCatalogue
package import Domain
package import JSONText
import PostgresDriver
import Store

/// What to import, for one provider.
package struct PriceImport: Sendable {
    package var provider: ProviderID
    /// A price file in the community's format, or a part of one; nil: the catalogue of this release.
    package var document: String?
    /// Whose models to take, in the file's words (`litellm_provider`); nil: the kind's.
    package var vendor: String?
    package var effectiveFrom: Timestamp?
    /// Only say what would be done.
    package var isDryRun: Bool

    package init(
        provider: ProviderID, document: String?, vendor: String? = nil, effectiveFrom: Timestamp? = nil,
        isDryRun: Bool = false
    ) {
        self.provider = provider
        self.document = document
        self.vendor = vendor
        self.effectiveFrom = effectiveFrom
        self.isDryRun = isDryRun
    }
}

/// What became, or would become, of each model of a file.
package struct PriceImportReport: Sendable {
    package enum Action: String, Sendable, CaseIterable {
        case created, updated, unchanged, skipped
    }

    package struct Line: Sendable {
        package let model: String
        package let action: Action
        /// Whether it gets a new price.
        package let isPriced: Bool
        /// Why it is skipped, or what its price was and is; may be empty.
        package let note: String
    }

    /// Of each entry of the vendor, in the file's order.
    package let lines: [Line]
    /// How many entries are of others, and were passed over.
    package let otherVendors: Int
    package let isApplied: Bool

    package func count(_ action: Action) -> Int { lines.count { $0.action == action } }
    package var priced: Int { lines.count(where: \.isPriced) }
}

/// Models and prices from files, and back into files.
package struct PriceImportOperations {
    let environment: OperationEnvironment

    /// Models of the vendor in one request, at most; entries of others do not count.
    package static let maximumModels = 1000
    /// Bytes of a document: the community's whole file has one to two million.
    package static let documentLengths = 2...4_000_000

    /// The catalogue that comes with the program, in the community's format; each entry names its source.
    package static let catalogue = String(
        decoding: UnsafeRawBufferPointer(start: CCatalogue.catalogue, count: CCatalogue.catalogue_length),
        as: UTF8.self)

    /// Makes the models of a file that are missing, changes those whose facts differ, and gives those a
    /// price whose price differs, all in one transaction; what the file does not have is left alone. Prices
    /// begin now, or later.
    package func run(
        _ wanted: PriceImport, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<PriceImportReport> {
        let now = environment.clock.now()
        let start = wanted.effectiveFrom ?? now
        try PriceOperations.check(start, "/effective_from", at: now)
        for permission in [Permission.modelsCreate, .modelsUpdate, .pricesCreate] {
            try caller.demand(permission, in: .owner(owner))
        }
        let entries = try Self.entries(wanted.document ?? Self.catalogue)
        return try await environment.write("models.import", .modelsCreate, in: .owner(owner), by: caller) {
            connection in
            let provider = try await ProviderStore.find(wanted.provider, of: owner, connection)
            guard let provider else {
                throw OperationError.missing("/provider", "a provider of this owner")
            }
            guard let vendor = wanted.vendor ?? provider.kind.communityVendor else {
                let message = "is required for the kind \(provider.kind.rawValue)"
                throw OperationError.invalid([ValidationError("/vendor", .required, message)])
            }
            let existing = try await ModelStore.byName(of: provider.id, ownedBy: owner, connection)
            var importer = Importer(
                provider: provider, existing: existing, now: now, start: start, isDryRun: wanted.isDryRun)
            let own = try Self.entries(entries, of: vendor)
            for member in own { try await importer.take(member.name, member.value, connection) }
            let report = PriceImportReport(
                lines: importer.lines, otherVendors: entries.count - own.count, isApplied: !wanted.isDryRun)
            return Recorded(report, AuditSubject("provider", provider.id, Self.details(report, vendor)))
        }
    }

    private static func entries(_ document: String) throws(OperationError) -> [JSONObject.Member] {
        let found: [JSONObject.Member]?
        do throws(JSONError) {
            let bytes = Array(document.utf8)
            found = try bytes.span.withUnsafeBytes { bytes throws(JSONError) in try members(bytes) }
        } catch {
            throw .invalid([ValidationError("/document", .invalidFormat, "must be valid JSON: \(error)")])
        }
        guard let found else {
            throw .invalid([
                ValidationError("/document", .invalidFormat, "must be an object with one member a model")
            ])
        }
        return found.filter { $0.name != "sample_spec" }
    }

    /// Its members in their order, also those that repeat a name: in the community's file that happens, and
    /// who reads it with less strictness does not see it. nil: it is no object.
    private static func members(
        _ document: UnsafeRawBufferPointer
    ) throws(JSONError) -> [JSONObject.Member]? {
        let whole = try JSONFragment(parsing: document)
        guard whole.kind == .object else { return nil }
        // Every value but the first comes after one of these.
        let values = document.count { $0 == 0x2C || $0 == 0x5B || $0 == 0x7B }
        guard values <= maximumValues else { throw JSONError(.tooManyValues, offset: 0) }
        var found: [JSONObject.Member] = []
        var position = whole.range.lowerBound + 1
        func next() throws(JSONError) -> JSONFragment? {
            // The document is valid, so that only these stand between a name, its value and the next name.
            while [0x20, 0x09, 0x0A, 0x0D, 0x2C, 0x3A].contains(document[position]) { position += 1 }
            guard position < whole.range.upperBound - 1 else { return nil }
            let fragment = try JSONFragment(memberValueAt: position, in: document)
            position = fragment.range.upperBound
            return fragment
        }
        while let name = try next(), let value = try next() {
            do throws(JSONError) {
                found.append(.init(name: name.string ?? "", value: try value.value(limits: limits)))
            } catch {
                throw JSONError(error.reason, offset: value.range.lowerBound + error.offset)
            }
        }
        return found
    }

    private static let maximumValues = 200_000
    private static let limits = JSONLimits(
        maximumBytes: documentLengths.upperBound, maximumValues: maximumValues)

    private static func entries(
        _ all: [JSONObject.Member], of vendor: String
    ) throws(OperationError) -> [JSONObject.Member] {
        let own = all.filter { $0.value["litellm_provider"]?.string == vendor }
        if own.count > maximumModels {
            let message = "has \(own.count) models of \(vendor); send them in parts of \(maximumModels)"
            throw .invalid([ValidationError("/document", .tooLong, message)])
        }
        return own
    }

    private static func details(_ report: PriceImportReport, _ vendor: String) -> JSONValue {
        func number(_ count: Int) -> JSONValue { .number(JSONNumber(Int64(count))) }
        return [
            "vendor": .string(vendor), "applied": .boolean(report.isApplied),
            "created": number(report.count(.created)), "updated": number(report.count(.updated)),
            "unchanged": number(report.count(.unchanged)), "skipped": number(report.count(.skipped)),
            "priced": number(report.priced),
        ]
    }

    /// The models of a provider with the prices in force, as a file others can read.
    package func export(
        _ provider: ProviderID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> JSONValue {
        let now = environment.clock.now()
        return try await environment.read(.pricesRead, in: .owner(owner), by: caller) { connection in
            let provider = try found(try await ProviderStore.find(provider, of: owner, connection))
            let vendor = provider.kind.communityVendor ?? provider.name
            var object = JSONObject()
            let models = try await ModelStore.byName(of: provider.id, ownedBy: owner, connection)
            for (name, model) in models.sorted(by: { $0.key < $1.key }) {
                let price = try await PriceStore.inForce(of: model.id, ownedBy: owner, at: now, connection)
                object[name] = CommunityPrice.entry(model, vendor: vendor, price?.table)
            }
            return .object(object)
        }
    }
}

/// Takes one model after the other.
private struct Importer {
    let provider: Provider
    var existing: [String: Model]
    let now: Timestamp
    let start: Timestamp
    let isDryRun: Bool
    var lines: [PriceImportReport.Line] = []
    private var taken: Set<String> = []

    init(provider: Provider, existing: [String: Model], now: Timestamp, start: Timestamp, isDryRun: Bool) {
        self.provider = provider
        self.existing = existing
        self.now = now
        self.start = start
        self.isDryRun = isDryRun
    }

    mutating func take(_ key: String, _ value: JSONValue, _ connection: PostgresConnection) async throws {
        let entry: CommunityPrice
        do throws(CommunityPrice.Skipped) {
            entry = try CommunityPrice(key, value)
        } catch {
            return note(String(key.prefix(128)), .skipped, note: error.reason)
        }
        // With the vendor in front and without, say.
        guard taken.insert(entry.name).inserted else {
            let reason = "is \(entry.name), which the file has already"
            return note(String(key.prefix(128)), .skipped, note: reason)
        }
        let (model, action) = try await model(entry, connection)
        let old =
            action == .created
            ? nil
            : try await PriceStore.inForce(of: model.id, ownedBy: provider.tenant, at: start, connection)
        guard let table = entry.table, table != old?.table else {
            return note(entry.name, action, note: entry.table == nil ? "has no price by the token" : "")
        }
        let text = Self.text(old?.table) + " → " + Self.text(table)
        note(entry.name, action, isPriced: true, note: text)
        if isDryRun { return }
        _ = try await PriceStore.create(
            Price(
                id: PriceID(at: now), model: model.id, tenant: provider.tenant, table: table,
                effectiveFrom: start, createdAt: now), connection)
    }

    private mutating func note(
        _ model: String, _ action: PriceImportReport.Action, isPriced: Bool = false, note: String
    ) {
        lines.append(.init(model: model, action: action, isPriced: isPriced, note: note))
    }

    private static func text(_ table: PriceTable?) -> String {
        table.map { "\(PriceRates.text($0.base.input))/\(PriceRates.text($0.base.output))" } ?? "none"
    }

    private mutating func model(
        _ entry: CommunityPrice, _ connection: PostgresConnection
    ) async throws -> (Model, PriceImportReport.Action) {
        guard var model = existing[entry.name] else {
            let model = Model(
                id: ModelID(at: now), provider: provider.id, tenant: provider.tenant, name: entry.name,
                displayName: entry.name, contextWindow: entry.contextWindow,
                maximumOutput: entry.maximumOutput, capabilities: entry.capabilities, source: entry.source,
                createdAt: now, updatedAt: now)
            if !isDryRun { try await ModelStore.create(model, connection) }
            existing[entry.name] = model
            return (model, .created)
        }
        let old = model
        model.contextWindow = entry.contextWindow ?? model.contextWindow
        model.maximumOutput = entry.maximumOutput ?? model.maximumOutput
        if !entry.capabilities.isEmpty { model.capabilities = entry.capabilities }
        if !entry.source.isEmpty { model.source = entry.source }
        if model == old { return (model, .unchanged) }
        model.updatedAt = now
        if !isDryRun { _ = try await ModelStore.update(model, connection) }
        return (model, .updated)
    }
}
