import Cryptography
package import Domain

/// What a node knows of a key: never its secret.
package struct KeyEntry: Hashable, Sendable, BinaryRecord {
    package let id: KeyID
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package let publicID: KeyPublicID
    package let secretHash: SecretHash
    package let permitted: KeyPermissions
    package let notBefore: Timestamp?
    package let expires: Timestamp?
    package let revoked: Timestamp?

    package init(
        id: KeyID, tenant: TenantID, workspace: WorkspaceID, publicID: KeyPublicID, secretHash: SecretHash,
        permitted: KeyPermissions = .everything, notBefore: Timestamp? = nil, expires: Timestamp? = nil,
        revoked: Timestamp? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.workspace = workspace
        self.publicID = publicID
        self.secretHash = secretHash
        self.permitted = permitted
        self.notBefore = notBefore
        self.expires = expires
        self.revoked = revoked
    }

    /// The entry of a key and its stored hash.
    package init(_ key: Key, secretHash: SecretHash) {
        self.init(
            id: key.id, tenant: key.tenant, workspace: key.workspace, publicID: key.publicID,
            secretHash: secretHash,
            permitted: key.permitted, notBefore: key.notBefore, expires: key.expires, revoked: key.revoked)
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
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: KeyID?
        var tenant: TenantID?
        var workspace: WorkspaceID?
        var publicID: KeyPublicID?
        var digest: SHA256Digest?
        var permitted = KeyPermissions.everything
        var notBefore: Timestamp?
        var expires: Timestamp?
        var revoked: Timestamp?
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: tenant = try field.id()
            case 3: workspace = try field.id()
            case 4: publicID = try field.publicID()
            case 5: digest = try field.digest()
            case 6: permitted.endpoints = EndpointSet(rawValue: ~(try field.number(upTo: UInt32.max)))
            case 7:
                try permitted.routes.append(field.id(), upTo: KeyPermissions.maximumRoutes, "routes of a key")
            case 8: notBefore = try field.time()
            case 9: expires = try field.time()
            case 10: revoked = try field.time()
            default: continue
            }
        }
        self.id = try Self.required(id, 1)
        self.tenant = try Self.required(tenant, 2)
        self.workspace = try Self.required(workspace, 3)
        self.publicID = try Self.required(publicID, 4)
        secretHash = SecretHash(digest: try Self.required(digest, 5))
        self.permitted = permitted
        self.notBefore = notBefore
        self.expires = expires
        self.revoked = revoked
    }
}
