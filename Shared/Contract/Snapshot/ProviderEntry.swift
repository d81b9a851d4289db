package import Domain

/// One of a provider's credentials, sealed for the fleet.
package struct CredentialEntry: Hashable, Sendable, BinaryRecord {
    package let id: CredentialID
    package let weight: Int32
    package let sealed: SealedCredential

    package init(id: CredentialID, weight: Int32 = 100, sealed: SealedCredential) {
        self.id = id
        self.weight = weight
        self.sealed = sealed
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.signed(2, weight)
        writer.value(3, sealed)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: CredentialID?
        var weight: Int32 = 0
        var sealed: SealedCredential?
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: weight = try field.signed()
            case 3: sealed = try SealedCredential(field)
            default: continue
            }
        }
        self.id = try Self.required(id, 1)
        self.weight = weight
        self.sealed = try Self.required(sealed, 3)
    }
}

/// What a node knows of a provider.
package struct ProviderEntry: Hashable, Sendable, BinaryRecord {
    package let id: ProviderID
    /// nil: owned by the platform.
    package let tenant: TenantID?
    /// What it is called in `/passthrough/…`; empty: nothing is passed through to it.
    package let name: String
    package let kind: ProviderKind
    package let baseURL: BaseURL
    /// Several share its calls by weight; none when the provider wants none.
    package let credentials: [CredentialEntry]
    /// What its kind asks for besides, by name.
    package let options: [String: String]
    package let headers: [ExtraHeader]
    package let timeouts: ProviderTimeouts
    /// nil: calls go straight to it.
    package let proxy: EgressProxy?
    package let isEnabled: Bool

    package init(
        id: ProviderID, tenant: TenantID?, name: String = "", kind: ProviderKind, baseURL: BaseURL,
        credentials: [CredentialEntry], options: [String: String] = [:], headers: [ExtraHeader] = [],
        timeouts: ProviderTimeouts = .standard, proxy: EgressProxy? = nil, isEnabled: Bool = true
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.kind = kind
        self.baseURL = baseURL
        self.credentials = credentials
        self.options = options
        self.headers = headers
        self.timeouts = timeouts
        self.proxy = proxy
        self.isEnabled = isEnabled
    }

    /// With one credential, or none.
    package init(
        id: ProviderID, tenant: TenantID?, kind: ProviderKind, baseURL: BaseURL,
        credential: SealedCredential?, headers: [ExtraHeader] = [], timeouts: ProviderTimeouts = .standard,
        isEnabled: Bool = true
    ) {
        self.init(
            id: id, tenant: tenant, kind: kind, baseURL: baseURL,
            credentials: credential.map {
                [CredentialEntry(id: CredentialID(high: id.high, low: id.low), sealed: $0)]
            } ?? [],
            headers: headers, timeouts: timeouts, isEnabled: isEnabled)
    }

    /// The entry of a provider and its credentials, already sealed under the fleet key.
    package init(_ provider: Provider, credentials: [CredentialEntry]) {
        self.init(
            id: provider.id, tenant: provider.tenant, name: provider.name, kind: provider.kind,
            baseURL: provider.baseURL,
            credentials: credentials, options: provider.options, headers: provider.headers,
            timeouts: provider.timeouts, proxy: provider.proxy, isEnabled: provider.isEnabled)
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, tenant)
        writer.text(3, kind.rawValue)
        writer.text(4, baseURL.description)
        writer.values(5, credentials)
        for header in headers {
            writer.record(6) { inner in
                inner.text(1, header.name)
                inner.text(2, header.value)
            }
        }
        writer.signed(7, timeouts.connect)
        writer.signed(8, timeouts.firstByte)
        writer.signed(9, timeouts.betweenChunks)
        writer.signed(10, timeouts.total)
        writer.flag(11, !isEnabled)
        for (name, value) in options.sorted(by: { $0.key < $1.key }) {
            writer.record(12) { inner in
                inner.text(1, name)
                inner.text(2, value)
            }
        }
        if let proxy { writer.text(13, proxy.description) }
        writer.text(14, name)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: ProviderID?
        var tenant: TenantID?
        var name = ""
        var kind: ProviderKind?
        var baseURL: BaseURL?
        var credentials: [CredentialEntry] = []
        var options: [String: String] = [:]
        var headers: [ExtraHeader] = []
        var timeouts = ProviderTimeouts(connect: 0, firstByte: 0, betweenChunks: 0, total: 0)
        var proxy: EgressProxy?
        var isEnabled = true
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: tenant = try field.id()
            case 3: kind = try Self.kind(field)
            case 4: baseURL = try Self.baseURL(field)
            case 5:
                let limit = ProviderCredential.maximumCount
                try credentials.append(CredentialEntry(field), upTo: limit, "credentials of a provider")
            case 6: try headers.append(Self.header(field), upTo: Provider.maximumHeaders, "headers")
            case 7: timeouts.connect = try field.signed()
            case 8: timeouts.firstByte = try field.signed()
            case 9: timeouts.betweenChunks = try field.signed()
            case 10: timeouts.total = try field.signed()
            case 11: isEnabled = !(try field.flag())
            case 12:
                let option = try Self.header(field)
                guard options.count < 16, options.updateValue(option.value, forKey: option.name) == nil else {
                    throw .malformed("options of a provider")
                }
            case 13: proxy = try Self.proxy(field)
            case 14: name = try field.text(upTo: TextRule.slug.maximum)
            default: continue
            }
        }
        self.id = try Self.required(id, 1)
        self.tenant = tenant
        self.name = name
        self.kind = try Self.required(kind, 3)
        self.baseURL = try Self.required(baseURL, 4)
        self.credentials = credentials
        self.options = options
        self.headers = headers
        self.timeouts = timeouts
        self.proxy = proxy
        self.isEnabled = isEnabled
    }

    private static func proxy(_ field: Field) throws(CodecError) -> EgressProxy {
        let text = try field.text(upTo: EgressProxy.maximumLength)
        guard let proxy = EgressProxy(text), proxy.description == text else { throw .malformed("proxy") }
        return proxy
    }

    private static func kind(_ field: Field) throws(CodecError) -> ProviderKind {
        guard let kind = ProviderKind(rawValue: try field.text(upTo: 40)) else {
            throw .malformed("provider kind")
        }
        return kind
    }

    private static func baseURL(_ field: Field) throws(CodecError) -> BaseURL {
        let text = try field.text(upTo: BaseURL.maximumLength)
        // One spelling only, so that equal entries have equal bytes.
        guard let url = BaseURL(text), url.description == text else { throw .malformed("base URL") }
        return url
    }

    private static func header(_ field: Field) throws(CodecError) -> ExtraHeader {
        var reader = try field.record()
        var name = ""
        var value = ""
        while let field = try reader.next() {
            switch field.tag {
            case 1: name = try field.text(upTo: 64)
            case 2: value = try field.text(upTo: 1024)
            default: continue
            }
        }
        return ExtraHeader(name: name, value: value)
    }
}
