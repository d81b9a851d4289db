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
        .init("prefix", .text(19...19), "The public part of the key's text, to tell keys apart.") {
            .string("ek_\($0.key.publicID)")
        },
        .init("standing", .words(KeyStanding.allCases.map(\.rawValue)), "Whether it may be used now.") {
            .string($0.standing.rawValue)
        },
        .init(
            "endpoints", .nullable(.list(.words(Endpoint.allCases.map(\.name)), maximumCount: 32)),
            "The kinds of calls it may make; null: all, those of later releases too."
        ) { state in
            let endpoints = state.key.permitted.endpoints
            return endpoints == .all ? .null : .array(endpoints.endpoints.map { .string($0.name) })
        },
        .init(
            "routes", .list(.id(Domain.Route.self), maximumCount: KeyPermissions.maximumRoutes),
            "The only routes it may use; empty: every route of the tenant."
        ) { .array($0.key.permitted.routes.map { .text($0) }) },
        .init("not_before", .nullable(.time), "From when it may be used.") { .optional($0.key.notBefore) },
        .init("expires_at", .nullable(.time), "When it stops working.") { .optional($0.key.expires) },
        .init("revoked_at", .nullable(.time), "When it was revoked.") { .optional($0.key.revoked) },
        .init("last_used_at", .nullable(.time), "When it was last used, as far as usage has come in.") {
            .optional($0.lastUsedAt)
        },
        .init("created_at", .time, "When it was made.") { .text($0.key.createdAt) },
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
            .init("secret", .text(58...58), "The key's text for applications. Shown this once.") {
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

/// The body that issues a key.
enum KeyBody {
    static let workspace = Field<WorkspaceID>.required("workspace", .id(), "Where its usage is counted.")
    static let name = Field<String>.required(
        "name", .text(.displayName, example: "checkout service"), "Name for people.")
    static let endpoints = Field<EndpointSet>.defaulted(
        "endpoints", .endpoints, to: .all, "The kinds of calls it may make; missing or null: all.")
    static let routes = Field<[RouteID]>.defaulted(
        "routes", .list(of: .id(), 0...KeyPermissions.maximumRoutes), to: [],
        "The only routes it may use; empty: every route of the tenant.")
    static let notBefore = Field<Timestamp?>.optional("not_before", .time, "From when it may be used.")
    static let expires = Field<Timestamp?>.optional("expires_at", .time, "When it stops working.")
    static let shape = BodyShape("NewKey", [workspace, name, endpoints, routes, notBefore, expires])

    /// A filter of lists.
    static let inWorkspace = Field<WorkspaceID?>.optional("workspace", .id(), "Only keys of this workspace.")
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

extension KeyBody {
    static func value(_ body: BodyValues) throws(OperationError) -> NewKey {
        NewKey(
            workspace: try body[workspace], name: try body[name],
            permitted: KeyPermissions(endpoints: try body[endpoints], routes: try body[routes]),
            notBefore: try body[notBefore], expires: try body[expires])
    }
}
