/// An application's credential, without its secret.
package struct Key: Hashable, Sendable {
    package let id: KeyID
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package var name: String
    package let kind: KeyKind
    /// The member it belongs to; nil: nobody in person.
    package var owner: UserID?
    package let publicID: KeyPublicID
    package var permitted: KeyPermissions
    package var notBefore: Timestamp?
    package var expires: Timestamp?
    package var revoked: Timestamp?
    /// Refused by nodes that have not heard from the control plane for too long.
    package var isStrict: Bool
    /// Words that limits, routes and reports can go by.
    package var tags: [String]
    /// The owner's own notes; nothing reads them.
    package var metadata: [String: String]
    /// Until when the secret before the last rotation works; nil: it was never rotated.
    package var previousSecretUntil: Timestamp?
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: KeyID, tenant: TenantID, workspace: WorkspaceID, name: String, kind: KeyKind = .application,
        owner: UserID? = nil, publicID: KeyPublicID, permitted: KeyPermissions = .everything,
        notBefore: Timestamp? = nil, expires: Timestamp? = nil, revoked: Timestamp? = nil,
        isStrict: Bool = false, tags: [String] = [], metadata: [String: String] = [:],
        previousSecretUntil: Timestamp? = nil, createdAt: Timestamp, updatedAt: Timestamp? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.workspace = workspace
        self.name = name
        self.kind = kind
        self.owner = owner
        self.publicID = publicID
        self.permitted = permitted
        self.notBefore = notBefore
        self.expires = expires
        self.revoked = revoked
        self.isStrict = isStrict
        self.tags = tags
        self.metadata = metadata
        self.previousSecretUntil = previousSecretUntil
        self.createdAt = createdAt
        self.updatedAt = updatedAt ?? createdAt
    }

    /// Whether the key may be used at a moment.
    package func standing(at now: Timestamp) -> KeyStanding {
        .of(revoked: revoked, notBefore: notBefore, expires: expires, at: now)
    }

    package static let maximumTags = 16
    package static let maximumMetadata = 16
    package static let maximumMetadataBytes = 512
    /// How long a playground key may live.
    package static let playgroundSeconds: Int64 = 300
    /// How long the old secret may work beside the new one.
    package static let maximumOverlapSeconds: Int64 = 30 * 86_400

    /// What is wrong with it, whatever the moment.
    package var problems: [ValidationError] {
        var found = [TextRule.displayName.check(name, at: "/name")].compactMap(\.self)
        if let start = notBefore, let end = expires, end <= start {
            found.append(ValidationError("/expires_at", .outOfRange, "must lie after not_before"))
        }
        if kind == .playground {
            let latest = createdAt.advanced(bySeconds: Self.playgroundSeconds)
            if expires.map({ $0 > latest }) ?? true {
                let limit = "must be at most \(Self.playgroundSeconds) seconds after it was made"
                found.append(ValidationError("/expires_at", .outOfRange, limit))
            }
        }
        if kind == .personal && owner == nil {
            found.append(ValidationError("/owner", .required, "is required for a personal key"))
        }
        return found + permitted.problems + Self.problems(tags: tags) + Self.problems(metadata: metadata)
    }

    private static func problems(tags: [String]) -> [ValidationError] {
        var found: [ValidationError] = []
        if tags.count > maximumTags {
            found.append(ValidationError("/tags", .tooLong, "must have at most \(maximumTags) entries"))
        }
        for (index, tag) in tags.enumerated() {
            if let problem = TextRule.label.check(tag, at: "/tags/\(index)") { found.append(problem) }
            if tags[..<index].contains(tag) {
                found.append(ValidationError("/tags/\(index)", .duplicate, "is there already"))
            }
        }
        return found
    }

    private static func problems(metadata: [String: String]) -> [ValidationError] {
        var found: [ValidationError] = []
        if metadata.count > maximumMetadata {
            found.append(
                ValidationError("/metadata", .tooLong, "must have at most \(maximumMetadata) members"))
        }
        for (name, value) in metadata.sorted(by: { $0.key < $1.key }) {
            if TextRule.label.check(name, at: "") != nil {
                let message = "must have members named by \(TextRule.label.explanation)"
                found.append(ValidationError("/metadata", .invalidFormat, message))
            } else if value.utf8.count > maximumMetadataBytes {
                let message = "must have at most \(maximumMetadataBytes) bytes"
                found.append(ValidationError("/metadata/\(name)", .tooLong, message))
            } else if value.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) {
                let message = "must have no control characters"
                found.append(ValidationError("/metadata/\(name)", .invalidFormat, message))
            }
        }
        return found
    }
}

/// What a key is for.
package enum KeyKind: String, Sendable, CaseIterable {
    /// A program's.
    case application
    /// One member's own; it is revoked when they leave the tenant.
    case personal
    /// Made by the console for minutes.
    case playground
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

/// What a key may call, and from where. An empty list sets no limit.
package struct KeyPermissions: Hashable, Sendable {
    package var endpoints: EndpointSet
    /// The only routes the key may name; empty means every route of its tenant.
    package var routes: [RouteID]
    /// The only models its calls may be sent to; targets of a route with other models are left out.
    package var models: [ModelID]
    /// Where its calls may come from.
    package var addresses: [AddressRange]

    package static let everything = KeyPermissions(endpoints: .all, routes: [])
    package static let maximumRoutes = 100
    package static let maximumModels = 100
    package static let maximumAddresses = 32

    package init(
        endpoints: EndpointSet = .all, routes: [RouteID] = [], models: [ModelID] = [],
        addresses: [AddressRange] = []
    ) {
        self.endpoints = endpoints
        self.routes = routes
        self.models = models
        self.addresses = addresses
    }

    var problems: [ValidationError] {
        [
            ("/routes", routes.count, Self.maximumRoutes), ("/models", models.count, Self.maximumModels),
            ("/ip_ranges", addresses.count, Self.maximumAddresses),
        ].filter { $0.1 > $0.2 }.map {
            ValidationError($0.0, .tooLong, "must have at most \($0.2) entries")
        }
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

    /// Every endpoint, those of later releases too; but `passthrough` only keys may use that name it.
    package static let all = EndpointSet(rawValue: .max)

    package func allows(_ endpoint: Endpoint) -> Bool { rawValue & (1 << UInt32(endpoint.rawValue)) != 0 }

    /// The endpoints in the set that this release knows.
    package var endpoints: [Endpoint] { Endpoint.allCases.filter(allows) }
}
