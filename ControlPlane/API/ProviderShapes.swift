import Cryptography
import Domain
import JSONText
import Operations

extension Representation<Provider> {
    static let provider = Representation(
        "Provider",
        [
            .init("id", .id(Provider.self), "Never changes.") { .text($0.id) },
            .init("tenant", .nullable(.id(Tenant.self)), "Whose it is; null: the platform's, shared by all.")
            {
                .optional($0.tenant)
            },
            .init("name", .text(1...63), "Unique among its owner's providers.") { .string($0.name) },
            .init("kind", .words(ProviderKind.allCases.map(\.rawValue)), "The wire format it speaks.") {
                .string($0.kind.rawValue)
            },
            .init("base_url", .text(1...512), "Where it is reached.") { .text($0.baseURL) },
            .init(
                "options", .dictionary(.text(1...64), maximumCount: 16),
                "What its kind asks for besides: see the kinds."
            ) { provider in
                var object = JSONObject()
                for (name, value) in provider.options.sorted(by: { $0.key < $1.key }) {
                    object[name] = .string(value)
                }
                return .object(object)
            },
            .init("headers", ProviderBody.headers.member.schema, "Extra request headers.") { provider in
                var object = JSONObject()
                for header in provider.headers { object[header.name] = .string(header.value) }
                return .object(object)
            },
            .init("timeouts", .object(TimeoutsBody.shape.schema), "How long a call may take.") {
                .timeouts($0.timeouts)
            },
            .init(
                "egress_proxy", .nullable(.text(1...EgressProxy.maximumLength)),
                "The proxy calls go through; null: straight."
            ) { .optional($0.proxy) },
            .init("enabled", .boolean, "Whether calls may go there.") { .boolean($0.isEnabled) },
            .init(
                "credential_hint", .nullable(.text(0...16)),
                "The last four characters of its first credential; null: it has none."
            ) { .optional($0.credentialHint) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

extension JSONValue {
    fileprivate static func timeouts(_ timeouts: ProviderTimeouts) -> JSONValue {
        [
            TimeoutsBody.connect.name: .integer(timeouts.connect),
            TimeoutsBody.firstByte.name: .integer(timeouts.firstByte),
            TimeoutsBody.betweenChunks.name: .integer(timeouts.betweenChunks),
            TimeoutsBody.total.name: .integer(timeouts.total),
        ]
    }
}

/// Timeouts of a provider; what is missing has its usual length.
enum TimeoutsBody {
    private static func field(_ name: String, _ usual: Int32, _ summary: String) -> Field<Int32> {
        .defaulted(name, .integer(ProviderTimeouts.allowed), to: usual, "\(summary). Milliseconds.")
    }
    private static let usual = ProviderTimeouts.standard

    static let connect = field("connect_ms", usual.connect, "Until the connection stands")
    static let firstByte = field(
        "first_byte_ms", usual.firstByte, "From the request to the answer's first byte")
    static let betweenChunks = field(
        "between_chunks_ms", usual.betweenChunks, "Between two pieces of a stream")
    static let total = field("total_ms", usual.total, "The whole call")
    static let shape = BodyShape("ProviderTimeouts", [connect, firstByte, betweenChunks, total])

    static let reader = Reader<ProviderTimeouts>.object(shape) { values throws(OperationError) in
        ProviderTimeouts(
            connect: try values[connect], firstByte: try values[firstByte],
            betweenChunks: try values[betweenChunks], total: try values[total])
    }
}

extension Reader where Value == [ExtraHeader] {
    /// Names and values of headers; what names and values may be is Domain's to say.
    static let headers = Reader(
        .dictionary(.text(0...1024), maximumCount: Provider.maximumHeaders)
    ) { json throws(InvalidInput) in
        guard let object = json.object else { throw InvalidInput(.wrongType, "must be a JSON object") }
        var headers: [ExtraHeader] = []
        for member in object.members {
            guard let value = member.value.string else {
                throw InvalidInput([
                    ValidationError("/\(pointerToken(member.name))", .wrongType, "must be a text")
                ])
            }
            headers.append(ExtraHeader(name: member.name, value: value))
        }
        return headers
    }
}

extension Reader where Value == EgressProxy {
    static let egressProxy = Reader(
        .text(TextSchema(1...EgressProxy.maximumLength, format: "uri", example: "http://proxy.internal:3128"))
    ) { json throws(InvalidInput) in
        guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
        guard let proxy = EgressProxy(text) else {
            throw InvalidInput(
                .invalidFormat,
                "must be http://host:port, without a path or a user: the proxy itself is "
                    + "spoken to in the clear")
        }
        return proxy
    }
}

/// The body that makes a provider.
enum ProviderBody {
    static let name = Field<String>.required(
        "name", .text(.slug, example: "openai"), "Unique among its owner's providers.")
    static let kind = Field<ProviderKind>.required("kind", .word(), "The wire format it speaks.")
    static let baseURL = Field<String?>.optional(
        "base_url", .anyText(1...BaseURL.maximumLength, format: "uri"),
        "Where it is reached; missing: the vendor's public address.")
    static let credential = Field<String?>.optional(
        "credential", .secretText(Provider.credentialLengths, format: "password"),
        "The API key. Kept sealed, never shown again.")
    static let options = Field<[String: String]>.defaulted(
        "options", .metadata, to: [:], "What its kind asks for besides, such as a region: see the kinds.")
    static let headers = Field<[ExtraHeader]>.defaulted(
        "headers", .headers, to: [], "Extra request headers; never credentials.")
    static let timeouts = Field<ProviderTimeouts>.defaulted(
        "timeouts", TimeoutsBody.reader, to: .standard, "How long a call may take.")
    static let proxy = Field<EgressProxy?>.optional(
        "egress_proxy", .egressProxy,
        "The proxy calls go through by HTTP CONNECT, as in http://proxy.internal:3128; missing: straight. "
            + "The operator of the nodes must allow it as a destination.")
    static let enabled = Field<Bool>.defaulted("enabled", .flag, to: true, "Whether calls may go there.")
    static let shape = BodyShape(
        "NewProvider", [name, kind, baseURL, credential, options, headers, timeouts, proxy, enabled])
}

/// The body that changes a provider; what is missing stays.
enum ProviderChangeBody {
    static let name = Field<String?>.change("name", .text(.slug), "Unique among its owner's providers.")
    static let baseURL = Field<String?>.change(
        "base_url", .anyText(1...BaseURL.maximumLength, format: "uri"), "Where it is reached.")
    static let credential = Field<String?>.change(
        "credential", .secretText(Provider.credentialLengths, format: "password"),
        "Takes the place of its first credential.")
    static let options = Field<[String: String]?>.change("options", .metadata, "All its options.")
    static let headers = Field<[ExtraHeader]?>.change(
        "headers", .headers, "Extra request headers, all of them.")
    static let timeouts = Field<ProviderTimeouts?>.change(
        "timeouts", TimeoutsBody.reader, "How long a call may take.")
    static let proxy = Field<Edit<EgressProxy>>.edit(
        "egress_proxy", .egressProxy, "The proxy calls go through by HTTP CONNECT; null: straight.")
    static let enabled = Field<Bool?>.change("enabled", .flag, "Whether calls may go there.")
    static let shape = BodyShape(
        "ProviderChange", [name, baseURL, credential, options, headers, timeouts, proxy, enabled])
}

/// The filters of a list of providers.
enum ProviderQuery {
    private static let name = Field<String?>.optional("name", .text(.slug), "Only the provider of this name.")
    private static let kind = Field<ProviderKind?>.optional("kind", .word(), "Only providers of this kind.")
    private static let enabled = Field<Bool?>.optional("enabled", .flag, "Only providers in this state.")
    static let fields: [any AnyField] = [name, kind, enabled, Paging.namePrefix]

    static func value(_ query: BodyValues) throws(OperationError) -> ProviderFilter {
        ProviderFilter(name: try query[name], kind: try query[kind], isEnabled: try query[enabled])
    }
}

extension ProviderBody {
    static func value(_ body: BodyValues) throws(OperationError) -> NewProvider {
        NewProvider(
            name: try body[name], kind: try body[kind], baseURL: try body[baseURL],
            credential: try body[credential].map { Secret(utf8: $0) }, options: try body[options],
            headers: try body[headers],
            timeouts: try body[timeouts], proxy: try body[proxy], isEnabled: try body[enabled])
    }
}

extension ProviderChangeBody {
    static func value(_ body: BodyValues) throws(OperationError) -> ProviderChange {
        ProviderChange(
            name: try body[name], baseURL: try body[baseURL],
            credential: try body[credential].map { Secret(utf8: $0) }, options: try body[options],
            headers: try body[headers],
            timeouts: try body[timeouts], proxy: try body[proxy], isEnabled: try body[enabled])
    }
}
