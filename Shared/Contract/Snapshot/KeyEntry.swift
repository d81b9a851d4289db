import Cryptography
package import Domain

/// The secret a key had before its last rotation.
package struct PreviousSecret: Hashable, Sendable {
    package let hash: SecretHash
    /// From then on it is told that it was replaced.
    package let until: Timestamp

    package init(hash: SecretHash, until: Timestamp) {
        self.hash = hash
        self.until = until
    }
}

/// What a node knows of a key: never its secret.
package struct KeyEntry: Hashable, Sendable, BinaryRecord {
    package let id: KeyID
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package let publicID: KeyPublicID
    package let secretHash: SecretHash
    package let previous: PreviousSecret?
    package let permitted: KeyPermissions
    package let notBefore: Timestamp?
    package let expires: Timestamp?
    package let revoked: Timestamp?
    package let isStrict: Bool
    package let tags: [String]
    package let owner: UserID?
    /// Those whose subject is this key.
    package var limits: [LimitEntry]

    package init(
        id: KeyID, tenant: TenantID, workspace: WorkspaceID, publicID: KeyPublicID, secretHash: SecretHash,
        previous: PreviousSecret? = nil, permitted: KeyPermissions = .everything,
        notBefore: Timestamp? = nil, expires: Timestamp? = nil, revoked: Timestamp? = nil,
        isStrict: Bool = false, tags: [String] = [], owner: UserID? = nil, limits: [LimitEntry] = []
    ) {
        self.id = id
        self.tenant = tenant
        self.workspace = workspace
        self.publicID = publicID
        self.secretHash = secretHash
        self.previous = previous
        self.permitted = permitted
        self.notBefore = notBefore
        self.expires = expires
        self.revoked = revoked
        self.isStrict = isStrict
        self.tags = tags
        self.owner = owner
        self.limits = limits
    }

    /// The entry of a key and its stored hashes.
    package init(_ key: Key, secretHash: SecretHash, previous: PreviousSecret? = nil) {
        self.init(
            id: key.id, tenant: key.tenant, workspace: key.workspace, publicID: key.publicID,
            secretHash: secretHash, previous: previous, permitted: key.permitted, notBefore: key.notBefore,
            expires: key.expires, revoked: key.revoked, isStrict: key.isStrict, tags: key.tags,
            owner: key.owner)
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, tenant)
        writer.id(3, workspace)
        writer.publicID(4, publicID)
        writer.digest(5, secretHash.digest)
        // Stored inverted, so that the usual "everything" costs nothing.
        writer.number(6, ~permitted.endpoints.rawValue)
        for route in permitted.routes { writer.id(7, route) }
        writer.time(8, notBefore)
        writer.time(9, expires)
        writer.time(10, revoked)
        for model in permitted.models { writer.id(11, model) }
        for range in permitted.addresses { writer.addressRange(12, range) }
        writer.flag(13, isStrict)
        if let previous {
            writer.digest(14, previous.hash.digest)
            writer.time(15, previous.until)
        }
        for tag in tags { writer.text(16, tag) }
        writer.id(17, owner)
        writer.values(18, limits)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var parts = Parts()
        while let field = try reader.next() { try parts.take(field) }
        id = try Self.required(parts.id, 1)
        tenant = try Self.required(parts.tenant, 2)
        workspace = try Self.required(parts.workspace, 3)
        publicID = try Self.required(parts.publicID, 4)
        secretHash = SecretHash(digest: try Self.required(parts.digest, 5))
        if let digest = parts.previousDigest {
            previous = PreviousSecret(
                hash: SecretHash(digest: digest), until: try Self.required(parts.previousUntil, 15))
        } else {
            previous = nil
        }
        permitted = parts.permitted
        notBefore = parts.notBefore
        expires = parts.expires
        revoked = parts.revoked
        isStrict = parts.isStrict
        tags = parts.tags
        owner = parts.owner
        limits = parts.limits
    }

    /// The fields as they are read, before it is known that all are there.
    private struct Parts {
        var id: KeyID?
        var tenant: TenantID?
        var workspace: WorkspaceID?
        var publicID: KeyPublicID?
        var digest: SHA256Digest?
        var previousDigest: SHA256Digest?
        var previousUntil: Timestamp?
        var permitted = KeyPermissions.everything
        var notBefore: Timestamp?
        var expires: Timestamp?
        var revoked: Timestamp?
        var isStrict = false
        var tags: [String] = []
        var owner: UserID?
        var limits: [LimitEntry] = []

        mutating func take(_ field: Field) throws(CodecError) {
            switch field.tag {
            case 1: id = try field.id()
            case 2: tenant = try field.id()
            case 3: workspace = try field.id()
            case 4: publicID = try field.publicID()
            case 5: digest = try field.digest()
            case 8: notBefore = try field.time()
            case 9: expires = try field.time()
            case 10: revoked = try field.time()
            case 13: isStrict = try field.flag()
            case 14: previousDigest = try field.digest()
            case 15: previousUntil = try field.time()
            case 17: owner = try field.id()
            default: try takeScope(field)
            }
        }

        private mutating func takeScope(_ field: Field) throws(CodecError) {
            typealias Limits = KeyPermissions
            switch field.tag {
            case 6: permitted.endpoints = EndpointSet(rawValue: ~(try field.number(upTo: UInt32.max)))
            case 7: try permitted.routes.append(field.id(), upTo: Limits.maximumRoutes, "routes of a key")
            case 11: try permitted.models.append(field.id(), upTo: Limits.maximumModels, "models of a key")
            case 12:
                let range = try field.addressRange()
                try permitted.addresses.append(range, upTo: Limits.maximumAddresses, "addresses of a key")
            case 16: try tags.append(field.text(upTo: 64), upTo: Key.maximumTags, "tags of a key")
            case 18: try limits.append(LimitEntry(field), upTo: Limit.maximumOfKey, "limits of a key")
            default: break
            }
        }
    }
}

extension FieldWriter {
    /// The sixteen bytes of the first address, and the length of the prefix.
    fileprivate mutating func addressRange(_ tag: UInt32, _ range: AddressRange) {
        let words = (range.first.high.bigEndian, range.first.low.bigEndian)
        bytes(tag, withUnsafeBytes(of: words) { Array($0) } + [range.prefix])
    }
}

extension Field {
    fileprivate func addressRange() throws(CodecError) -> AddressRange {
        let bytes = try bytes(exactly: 17)
        func word(_ first: Int) -> UInt64 { bytes[first..<first + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        let first = NetworkAddress(high: word(0), low: word(8))
        guard let range = AddressRange(first: first, prefix: bytes[16]) else {
            throw .malformed("field \(tag) is not a range of addresses")
        }
        return range
    }
}
