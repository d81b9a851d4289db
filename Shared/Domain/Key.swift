/// An application's credential, without its secret.
package struct Key: Hashable, Sendable {
    package let id: KeyID
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package var name: String
    package let publicID: KeyPublicID
    package var permitted: KeyPermissions
    package var notBefore: Timestamp?
    package var expires: Timestamp?
    package var revoked: Timestamp?
    package let createdAt: Timestamp

    package init(
        id: KeyID, tenant: TenantID, workspace: WorkspaceID, name: String, publicID: KeyPublicID,
        permitted: KeyPermissions = .everything, notBefore: Timestamp? = nil, expires: Timestamp? = nil,
        revoked: Timestamp? = nil, createdAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.workspace = workspace
        self.name = name
        self.publicID = publicID
        self.permitted = permitted
        self.notBefore = notBefore
        self.expires = expires
        self.revoked = revoked
        self.createdAt = createdAt
    }

    /// Whether the key may be used at a moment.
    package func standing(at now: Timestamp) -> KeyStanding {
        .of(revoked: revoked, notBefore: notBefore, expires: expires, at: now)
    }
}

/// Whether a key may be used: the one rule for console, operations and gateway.
package enum KeyStanding: String, Sendable, CaseIterable {
    case active
    case revoked
    case expired
    case notYetValid = "not_yet_valid"

    /// Revocation wins over everything and has no start: a revoked key is revoked at once, whatever its stamp
    /// says. A key is valid from `notBefore` on, and no longer at `expires`.
    package static func of(
        revoked: Timestamp?, notBefore: Timestamp?, expires: Timestamp?, at now: Timestamp
    ) -> KeyStanding {
        if revoked != nil { return .revoked }
        if let expires, now >= expires { return .expired }
        if let notBefore, now < notBefore { return .notYetValid }
        return .active
    }
}

/// What a key may call.
package struct KeyPermissions: Hashable, Sendable {
    package var endpoints: EndpointSet
    /// The only routes the key may name; empty means every route of its tenant.
    package var routes: [RouteID]

    package static let everything = KeyPermissions(endpoints: .all, routes: [])
    package static let maximumRoutes = 100

    package init(endpoints: EndpointSet = .all, routes: [RouteID] = []) {
        self.endpoints = endpoints
        self.routes = routes
    }
}

/// The kinds of model calls a key can be limited to.
package enum Endpoint: UInt8, Sendable, CaseIterable {
    case chat, completions, embeddings, moderations, images, audio, models, passthrough

    /// The word used in the API.
    package var name: String {
        switch self {
        case .chat: "chat"
        case .completions: "completions"
        case .embeddings: "embeddings"
        case .moderations: "moderations"
        case .images: "images"
        case .audio: "audio"
        case .models: "models"
        case .passthrough: "passthrough"
        }
    }

    package init?(name: String) {
        guard let endpoint = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = endpoint
    }
}

package struct EndpointSet: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package init(_ endpoints: some Sequence<Endpoint>) {
        rawValue = endpoints.reduce(0) { $0 | 1 << UInt32($1.rawValue) }
    }

    /// Every endpoint, those of later releases too.
    package static let all = EndpointSet(rawValue: .max)

    package func allows(_ endpoint: Endpoint) -> Bool { rawValue & (1 << UInt32(endpoint.rawValue)) != 0 }

    /// The endpoints in the set that this release knows.
    package var endpoints: [Endpoint] { Endpoint.allCases.filter(allows) }
}
