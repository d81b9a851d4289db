package import Domain

/// What a node knows of a tenant.
package struct TenantEntry: Hashable, Sendable, BinaryRecord {
    package let id: TenantID
    package let isSuspended: Bool
    /// On the platform's prices.
    package let markup: Markup
    /// Where its calls may be served; nil: anywhere.
    package let region: String?
    /// Of how many calls in a hundred what is said is handed over; 0: of none.
    package let contentPercent: UInt8

    package init(
        id: TenantID, isSuspended: Bool = false, markup: Markup = .none, region: String? = nil,
        contentPercent: UInt8 = 0
    ) {
        self.id = id
        self.isSuspended = isSuspended
        self.markup = markup
        self.region = region
        self.contentPercent = contentPercent
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.flag(2, isSuspended)
        writer.signed(20, markup.hundredths)
        if let region { writer.text(21, region) }
        writer.number(22, contentPercent)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: TenantID?
        var isSuspended = false
        var markup = Markup.none
        var region: String?
        var contentPercent: UInt8 = 0
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: isSuspended = try field.flag()
            case 20:
                guard let given = Markup(hundredths: try field.signed()) else {
                    throw .malformed("a markup out of range")
                }
                markup = given
            case 21: region = try field.text(upTo: 63)
            case 22: contentPercent = try field.number(upTo: 100)
            default: continue
            }
        }
        self.id = try Self.required(id, 1)
        self.isSuspended = isSuspended
        self.markup = markup
        self.region = region
        self.contentPercent = contentPercent
    }
}

/// What a node knows of a workspace.
package struct WorkspaceEntry: Hashable, Sendable, BinaryRecord {
    package let id: WorkspaceID
    package let tenant: TenantID

    package init(id: WorkspaceID, tenant: TenantID) {
        self.id = id
        self.tenant = tenant
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, tenant)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: WorkspaceID?
        var tenant: TenantID?
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: tenant = try field.id()
            default: continue
            }
        }
        self.id = try Self.required(id, 1)
        self.tenant = try Self.required(tenant, 2)
    }
}
