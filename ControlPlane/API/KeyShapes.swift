import Domain
import JSONText
import Operations

extension Representation<KeyState> {
    static let key = Representation("Key", members)

    fileprivate static let members: [Member] = [
        .init("id", .id(Key.self), "Never changes.") { .text($0.key.id) },
        .init("tenant", .id(Tenant.self), "Whose it is.") { .text($0.key.tenant) },
        .init("workspace", .id(Workspace.self), "Where its usage is counted.") { .text($0.key.workspace) },
        .init("name", .text(1...200), "Name for people.") { .string($0.key.name) },
        .init("kind", .words(KeyKind.allCases.map(\.rawValue)), "What it is for.") {
            .string($0.key.kind.rawValue)
        },
        .init("owner", .nullable(.id(User.self)), "The member it belongs to.") { .optional($0.key.owner) },
        .init("prefix", .text(19...19), "The public part of the key's text, to tell keys apart.") {
            .string("ek_\($0.key.publicID)")
        },
        .init(
            "standing", .words(KeyStanding.allCases.map(\.rawValue)), "Whether it may be used now.",
            isMoving: true
        ) {
            .string($0.standing.rawValue)
        },
        .init(
            "endpoints", .nullable(.list(.words(Endpoint.allCases.map(\.name)), maximumCount: 32)),
            "The kinds of calls it may make; null: all but passthrough, those of later releases too."
        ) { state in
            let endpoints = state.key.permitted.endpoints
            return endpoints == .all ? .null : .array(endpoints.endpoints.map { .string($0.name) })
        },
        .init(
            "routes", .list(.id(Domain.Route.self), maximumCount: KeyPermissions.maximumRoutes),
            "The only routes it may use; empty: every route of the tenant."
        ) { .array($0.key.permitted.routes.map { .text($0) }) },
        .init(
            "models", .list(.id(Model.self), maximumCount: KeyPermissions.maximumModels),
            "The only models its calls may be sent to; empty: all."
        ) { .array($0.key.permitted.models.map { .text($0) }) },
        .init(
            "ip_ranges", .list(.text(2...49), maximumCount: KeyPermissions.maximumAddresses),
            "The only addresses it may be used from, in CIDR notation; empty: all."
        ) { .array($0.key.permitted.addresses.map { .text($0) }) },
        .init("strict", .boolean, "Whether nodes refuse it that were cut off for too long.") {
            .boolean($0.key.isStrict)
        },
        .init(
            "tags", .list(.text(1...64), maximumCount: Key.maximumTags),
            "Words that limits, routes and reports can go by."
        ) { .array($0.key.tags.map { .string($0) }) },
        .init(
            "metadata", .dictionary(.text(0...Key.maximumMetadataBytes), maximumCount: Key.maximumMetadata),
            "Notes; nothing reads them."
        ) { state in
            var object = JSONObject()
            for (name, value) in state.key.metadata.sorted(by: { $0.key < $1.key }) {
                object[name] = .string(value)
            }
            return .object(object)
        },
        .init("not_before", .nullable(.time), "From when it may be used.") { .optional($0.key.notBefore) },
        .init("expires_at", .nullable(.time), "When it stops working.") { .optional($0.key.expires) },
        .init("revoked_at", .nullable(.time), "When it was revoked.") { .optional($0.key.revoked) },
        .init(
            "previous_valid_until", .nullable(.time),
            "Until when the secret from before the last rotation works."
        ) { .optional($0.key.previousSecretUntil) },
        .init(
            "last_used_at", .nullable(.time), "When it was last used, as far as usage has come in.",
            isMoving: true
        ) {
            .optional($0.lastUsedAt)
        },
        .init("created_at", .time, "When it was made.") { .text($0.key.createdAt) },
        .init("updated_at", .time, "When it was last changed.") { .text($0.key.updatedAt) },
    ]
}

extension Representation<IssuedKey> {
    /// The one answer that shows a key's text.
    static let issuedKey = Representation(
        "IssuedKey",
        [
            .init("key", Representation<KeyState>.key.schema, "The key.") {
                Representation<KeyState>.key.json($0.state)
            },
            .init("secret", .shownOnce(58...58), "The key's text for applications. Shown this once.") {
                .string($0.text.reveal())
            },
        ])
}

extension Representation<RevokedKey> {
    static let revokedKey = Representation(
        "RevokedKey",
        [
            .init("key", Representation<KeyState>.key.schema, "The key as it is now.") {
                Representation<KeyState>.key.json($0.state)
            },
            .init("propagation", .text(1...200), "Where to see which nodes refuse the key already.") {
                .string("/api/v1/changes/\($0.token)")
            },
        ])
}

extension Representation<RevokedKeys> {
    static let revokedKeys = Representation(
        "RevokedKeys",
        [
            .init(
                "revoked", .list(.id(Key.self), maximumCount: KeyOperations.maximumRevokedAtOnce),
                "The keys this request revoked."
            ) { .array($0.ids.map { .text($0) }) },
            .init("remaining", .count, "Keys that pass the filter and still stand: repeat the request.") {
                .integer($0.remaining)
            },
            .init("propagation", .text(1...200), "Where to see which nodes refuse the keys already.") {
                .string("/api/v1/changes/\($0.token)")
            },
        ])
}

/// The body that issues a key.
enum KeyBody {
    static let workspace = Field<WorkspaceID>.required("workspace", .id(), "Where its usage is counted.")
    static let name = Field<String>.required(
        "name", .text(.displayName, example: "checkout service"), "Name for people.")
    static let endpoints = Field<EndpointSet>.defaulted(
        "endpoints", .endpoints, to: .all,
        "The kinds of calls it may make; missing or null: all but passthrough, those of later releases too.")
    static let routes = Field<[RouteID]>.defaulted(
        "routes", .list(of: .id(), 0...KeyPermissions.maximumRoutes), to: [],
        "The only routes it may use; empty: every route of the tenant.")
    static let models = Field<[ModelID]>.defaulted(
        "models", .list(of: .id(), 0...KeyPermissions.maximumModels), to: [],
        "The only models its calls may be sent to; empty: all.")
    static let addresses = Field<[AddressRange]>.defaulted(
        "ip_ranges", .addressRanges, to: [],
        "The only addresses it may be used from, in CIDR notation; empty: all.")
    static let kind = Field<KeyKind>.defaulted("kind", .word(), to: .application, "What it is for.")
    static let owner = Field<UserID?>.optional("owner", .id(), "The member it belongs to.")
    static let notBefore = Field<Timestamp?>.optional("not_before", .time, "From when it may be used.")
    static let expires = Field<Timestamp?>.optional(
        "expires_at", .time, "When it stops working; of a playground key at most five minutes from now.")
    static let strict = Field<Bool>.defaulted(
        "strict", .flag, to: false, "Whether nodes refuse it that were cut off for too long.")
    static let tags = Field<[String]>.defaulted(
        "tags", .tags, to: [], "Words that limits, routes and reports can go by.")
    static let metadata = Field<[String: String]>.defaulted(
        "metadata", .metadata, to: [:], "Notes; nothing reads them.")
    static let shape = BodyShape(
        "NewKey",
        [
            workspace, name, kind, owner, endpoints, routes, models, addresses, notBefore, expires, strict,
            tags, metadata,
        ])

    static func value(_ body: BodyValues) throws(OperationError) -> NewKey {
        NewKey(
            workspace: try body[workspace], name: try body[name], kind: try body[kind],
            owner: try body[owner],
            permitted: KeyPermissions(
                endpoints: try body[endpoints], routes: try body[routes], models: try body[models],
                addresses: try body[addresses]),
            notBefore: try body[notBefore], expires: try body[expires], isStrict: try body[strict],
            tags: try body[tags], metadata: try body[metadata])
    }
}

/// The body that changes a key; what is missing stays.
enum KeyChangeBody {
    static let name = Field<String?>.change("name", .text(.displayName), "Name for people.")
    static let owner = Field<Edit<UserID>>.edit("owner", .id(), "The member it belongs to.")
    static let endpoints = Field<EndpointSet?>.change(
        "endpoints", .endpoints,
        "The kinds of calls it may make; null: all but passthrough, those of later releases too.")
    static let routes = Field<[RouteID]?>.change(
        "routes", .list(of: .id(), 0...KeyPermissions.maximumRoutes), "The only routes it may use.")
    static let models = Field<[ModelID]?>.change(
        "models", .list(of: .id(), 0...KeyPermissions.maximumModels), "The only models it may use.")
    static let addresses = Field<[AddressRange]?>.change(
        "ip_ranges", .addressRanges, "The only addresses it may be used from.")
    static let notBefore = Field<Edit<Timestamp>>.edit("not_before", .time, "From when it may be used.")
    static let expires = Field<Edit<Timestamp>>.edit("expires_at", .time, "When it stops working.")
    static let strict = Field<Bool?>.change("strict", .flag, "Whether long cut off nodes refuse it.")
    static let tags = Field<[String]?>.change("tags", .tags, "All its tags.")
    static let metadata = Field<[String: String]?>.change("metadata", .metadata, "All its notes.")
    static let shape = BodyShape(
        "KeyChange",
        [
            name, owner, endpoints, routes, models, addresses, notBefore, expires, strict, tags, metadata,
        ])

    static func value(_ body: BodyValues) throws(OperationError) -> KeyChange {
        var change = KeyChange()
        change.name = try body[name]
        change.owner = try body[owner]
        change.endpoints = try body[endpoints]
        change.routes = try body[routes]
        change.models = try body[models]
        change.addresses = try body[addresses]
        change.notBefore = try body[notBefore]
        change.expires = try body[expires]
        change.isStrict = try body[strict]
        change.tags = try body[tags]
        change.metadata = try body[metadata]
        return change
    }
}

/// The body that rotates a key.
enum KeyRotationBody {
    static let previousUntil = Field<Timestamp?>.optional(
        "previous_valid_until", .time,
        "Until when the secret it has now still works, at most 30 days from now; a moment in the past ends "
            + "it at once, nothing means in a day.")
    static let shape = BodyShape("KeyRotation", [previousUntil])
}

/// Filters of the list of keys.
enum KeyQuery {
    static let workspace = Field<WorkspaceID?>.optional("workspace", .id(), "Only keys of this workspace.")
    static let owner = Field<UserID?>.optional("owner", .id(), "Only keys of this member.")
    static let kind = Field<KeyKind?>.optional("kind", .word(), "Only keys of this kind.")
    static let tag = Field<String?>.optional("tag", .text(.label), "Only keys with this tag.")
    static let unusedSince = Field<Timestamp?>.optional(
        "unused_since", .time, "Only keys made before and not used since.")
    static let fields: [any AnyField] = [workspace, owner, kind, tag, unusedSince]
    /// Of the list alone: what does not work needs no revoking.
    static let standing = Field<KeyStanding?>.optional("standing", .word(), "Only keys that stand so now.")

    static func value(_ query: BodyValues) throws(OperationError) -> KeyFilter {
        KeyFilter(
            workspace: try query[workspace], owner: try query[owner], kind: try query[kind],
            tag: try query[tag], unusedSince: try query[unusedSince])
    }
}

/// The body that revokes many keys: those that pass everything it names.
enum KeyRevocationBody {
    static let keys = Field<[KeyID]?>.optional(
        "keys", .list(of: .id(), 1...KeyOperations.maximumRevokedAtOnce), "Only these keys.")
    static let createdBefore = Field<Timestamp?>.optional(
        "created_before", .time, "Only keys made before.")
    static let shape = BodyShape("KeyRevocation", [keys, createdBefore] + KeyQuery.fields)

    static func value(_ body: BodyValues) throws(OperationError) -> KeyFilter {
        var filter = try KeyQuery.value(body)
        filter.ids = try body[keys]
        filter.createdBefore = try body[createdBefore]
        return filter
    }
}

extension Reader where Value == [AddressRange] {
    static let addressRanges = Reader.list(
        of: Reader<AddressRange>(.text(2...49)) { json throws(InvalidInput) in
            guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
            guard let range = AddressRange(text) else {
                throw InvalidInput(
                    .invalidFormat, "must be an address or a block such as 10.0.0.0/8 or 2001:db8::/32")
            }
            return range
        }, 0...KeyPermissions.maximumAddresses)
}

extension Reader where Value == [String] {
    static let tags = Reader.list(of: .text(.label, example: "team:search"), 0...Key.maximumTags)
}

extension Reader where Value == [String: String] {
    /// Names and texts; what they may be is Domain's to say.
    static let metadata = Reader(
        .dictionary(.text(0...Key.maximumMetadataBytes), maximumCount: Key.maximumMetadata)
    ) { json throws(InvalidInput) in
        guard let object = json.object else { throw InvalidInput(.wrongType, "must be a JSON object") }
        var metadata: [String: String] = [:]
        for member in object.members {
            guard let value = member.value.string else {
                throw InvalidInput([
                    ValidationError("/\(pointerToken(member.name))", .wrongType, "must be a text")
                ])
            }
            metadata[member.name] = value
        }
        return metadata
    }
}

extension Reader where Value == EndpointSet {
    static let endpoints: Reader = {
        let words = Reader<[Endpoint]>.list(
            of: .word(Endpoint.allCases.map { ($0.name, $0) }), 1...Endpoint.allCases.count)
        return Reader(.nullable(words.schema)) { json throws(InvalidInput) in
            json.isNull ? .all : EndpointSet(try words.read(json))
        }
    }()
}
