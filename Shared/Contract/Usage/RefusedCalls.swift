package import Domain

/// How many calls of one key were refused for one reason in one minute. No usage: nothing was dialled.
package struct RefusalCount: Hashable, Sendable, BinaryRecord {
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package let key: KeyID
    /// An `ErrorCode`.
    package let code: String
    package let minute: Timestamp
    /// At least one.
    package let calls: UInt32

    package init(
        tenant: TenantID, workspace: WorkspaceID, key: KeyID, code: String, minute: Timestamp, calls: UInt32
    ) {
        self.tenant = tenant
        self.workspace = workspace
        self.key = key
        self.code = code
        self.minute = minute
        self.calls = calls
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, tenant)
        writer.id(2, workspace)
        writer.id(3, key)
        writer.text(4, code)
        writer.time(5, minute)
        writer.number(6, calls)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var (tenant, workspace, key): (TenantID?, WorkspaceID?, KeyID?) = (nil, nil, nil)
        var (code, minute, calls): (String?, Timestamp?, UInt32?) = (nil, nil, nil)
        while let field = try reader.next() {
            switch field.tag {
            case 1: tenant = try field.id()
            case 2: workspace = try field.id()
            case 3: key = try field.id()
            case 4: code = try field.text(upTo: RefusalSample.maximumTextBytes)
            case 5: minute = try field.time()
            case 6: calls = try field.number(upTo: UInt32.max)
            default: continue
            }
        }
        self.tenant = try Self.required(tenant, 1)
        self.workspace = try Self.required(workspace, 2)
        self.key = try Self.required(key, 3)
        self.code = try Self.required(code, 4)
        self.minute = try Self.required(minute, 5)
        self.calls = try Self.required(calls, 6)
    }
}

/// One refused call, for whoever asks what went wrong last. A few of many are kept.
package struct RefusalSample: Hashable, Sendable, BinaryRecord {
    package let tenant: TenantID
    package let workspace: WorkspaceID
    package let key: KeyID
    /// An `ErrorCode`.
    package let code: String
    /// The HTTP status the client got.
    package let status: UInt16
    package let at: Timestamp
    /// The `x-request-id` the client got.
    package let request: String

    static let maximumTextBytes = 64

    package init(
        tenant: TenantID, workspace: WorkspaceID, key: KeyID, code: String, status: UInt16, at: Timestamp,
        request: String
    ) {
        self.tenant = tenant
        self.workspace = workspace
        self.key = key
        self.code = code
        self.status = status
        self.at = at
        self.request = request
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, tenant)
        writer.id(2, workspace)
        writer.id(3, key)
        writer.text(4, code)
        writer.number(5, status)
        writer.time(6, at)
        writer.text(7, request)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var (tenant, workspace, key): (TenantID?, WorkspaceID?, KeyID?) = (nil, nil, nil)
        var (code, status, at, request): (String?, UInt16?, Timestamp?, String?) = (nil, nil, nil, nil)
        while let field = try reader.next() {
            switch field.tag {
            case 1: tenant = try field.id()
            case 2: workspace = try field.id()
            case 3: key = try field.id()
            case 4: code = try field.text(upTo: Self.maximumTextBytes)
            case 5: status = try field.number(upTo: 999)
            case 6: at = try field.time()
            case 7: request = try field.text(upTo: Self.maximumTextBytes)
            default: continue
            }
        }
        self.tenant = try Self.required(tenant, 1)
        self.workspace = try Self.required(workspace, 2)
        self.key = try Self.required(key, 3)
        self.code = try Self.required(code, 4)
        self.status = try Self.required(status, 5)
        self.at = try Self.required(at, 6)
        self.request = try Self.required(request, 7)
    }
}

extension RefusalCount {
    /// Appends the record to the records of a batch to be, in the form it has inside the batch.
    package func append(toBatch records: inout [UInt8]) {
        var writer = FieldWriter()
        writer.value(UsageBatch.refusalCountTag, self)
        records += writer.bytes
    }
}

extension RefusalSample {
    /// Appends the record to the records of a batch to be, in the form it has inside the batch.
    package func append(toBatch records: inout [UInt8]) {
        var writer = FieldWriter()
        writer.value(UsageBatch.refusalSampleTag, self)
        records += writer.bytes
    }
}
