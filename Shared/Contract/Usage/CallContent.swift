package import Domain

/// What was said in one call, as the node that carried it hands it over: bounded, and with marks in the
/// places of what was redacted there.
package struct CallContent: Hashable, Sendable, BinaryRecord {
    /// What one of the two said.
    package struct Side: Hashable, Sendable, BinaryRecord {
        /// JSON in the application's dialect; its end is missing when it was too long.
        package let text: String
        /// Its length before anything was redacted or left out. Unit: bytes.
        package let byteCount: UInt64
        package let isTruncated: Bool
        /// How many places have a mark.
        package let redactions: UInt32

        package init(text: String, byteCount: UInt64, isTruncated: Bool = false, redactions: UInt32 = 0) {
            self.text = text
            self.byteCount = byteCount
            self.isTruncated = isTruncated
            self.redactions = redactions
        }

        package func encode(into writer: inout FieldWriter) {
            writer.text(1, text)
            writer.number(2, byteCount)
            writer.flag(3, isTruncated)
            writer.number(4, redactions)
        }

        package init(from reader: inout FieldReader) throws(CodecError) {
            var (text, byteCount, isTruncated, redactions) = ("", UInt64(0), false, UInt32(0))
            while let field = try reader.next() {
                switch field.tag {
                case 1: text = try field.text(upTo: CallContent.maximumTextBytes)
                case 2: byteCount = try field.number()
                case 3: isTruncated = try field.flag()
                case 4: redactions = try field.number(upTo: UInt32.max)
                default: continue
                }
            }
            self.init(text: text, byteCount: byteCount, isTruncated: isTruncated, redactions: redactions)
        }
    }

    /// The usage event of the call.
    package let call: UsageEventID
    package let tenant: TenantID
    package let startedAt: Timestamp
    /// nil: it was a form with files.
    package let request: Side?
    /// Of a stream the whole answer that it amounts to; nil: there was none, or it was no text.
    package let answer: Side?

    /// Of each side.
    package static let maximumTextBytes = 64 << 10
    /// Both sides and what is around them.
    package static let maximumBytes = 2 * maximumTextBytes + 256

    package init(
        call: UsageEventID, tenant: TenantID, startedAt: Timestamp, request: Side?, answer: Side?
    ) {
        self.call = call
        self.tenant = tenant
        self.startedAt = startedAt
        self.request = request
        self.answer = answer
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, call)
        writer.id(2, tenant)
        writer.time(3, startedAt)
        if let request { writer.value(4, request) }
        if let answer { writer.value(5, answer) }
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var (call, tenant, startedAt): (UsageEventID?, TenantID?, Timestamp?) = (nil, nil, nil)
        var (request, answer): (Side?, Side?) = (nil, nil)
        while let field = try reader.next() {
            switch field.tag {
            case 1: call = try field.id()
            case 2: tenant = try field.id()
            case 3: startedAt = try field.time()
            case 4: request = try Side(field)
            case 5: answer = try Side(field)
            default: continue
            }
        }
        self.init(
            call: try Self.required(call, 1), tenant: try Self.required(tenant, 2),
            startedAt: try Self.required(startedAt, 3), request: request, answer: answer)
    }
}

/// What a node hands over at once. Nothing is lost for good when it comes twice, or not at all.
package struct CallContentBatch: Hashable, Sendable, BinaryRecord {
    package let contents: [CallContent]

    package static let maximumContents = 256
    /// The largest batch, in bytes.
    package static let maximumBytes = 2 << 20

    package init(_ contents: [CallContent]) { self.contents = contents }

    package func encode(into writer: inout FieldWriter) { writer.values(1, contents) }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var contents: [CallContent] = []
        while let field = try reader.next() {
            guard field.tag == 1 else { continue }
            try contents.append(CallContent(field), upTo: Self.maximumContents, "contents in a batch")
        }
        self.contents = contents
    }
}
