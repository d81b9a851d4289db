import JSONText

/// One error line of the log, on its way to an error tracker.
package struct ErrorReport: Sendable {
    /// Constant, so that equal errors are one group.
    package let message: String
    package let fields: [(name: String, value: LogValue)]
    package let microseconds: Int64

    package init(message: String, fields: [(name: String, value: LogValue)], microseconds: Int64) {
        self.message = message
        self.fields = fields
        self.microseconds = microseconds
    }

    /// The report as a Sentry envelope: a header line, an item's header line, the event.
    package func envelope(of sender: ErrorSender) -> [UInt8] {
        // 128 random bits, as 32 digits.
        let id =
            TraceContext.text(.random(in: 0...(.max))) + TraceContext.text(.random(in: 0...(.max)))
        let event = event(id, of: sender)
        var head = JSONWriter()
        head.object { writer in
            writer.field("event_id", id)
            writer.field("sent_at", rfc3339(microseconds: microseconds))
        }
        var item = JSONWriter()
        item.object { writer in
            writer.field("type", "event")
            writer.field("length", event.count)
        }
        return head.bytes + [0x0A] + item.bytes + [0x0A] + event + [0x0A]
    }

    private func event(_ id: String, of sender: ErrorSender) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("event_id", id)
            writer.field("timestamp", rfc3339(microseconds: microseconds))
            writer.field("platform", "native")
            writer.field("level", "error")
            writer.field("logger", sender.program)
            writer.field("release", "\(sender.program)@\(sender.version)")
            writer.field("server_name", sender.instance)
            writer.objectField("logentry") { $0.field("formatted", message) }
            writer.arrayField("fingerprint") { $0.string(message) }
            writer.objectField("extra") { writer in
                var used = Set<String>()
                for (name, value) in fields where used.insert(name).inserted {
                    switch value {
                    case .text(let text): writer.field(name, text)
                    case .integer(let number): writer.field(name, number)
                    case .number(let number): writer.field(name, number)
                    case .boolean(let flag): writer.field(name, flag)
                    case .none: writer.nullField(name)
                    }
                }
            }
        }
        return writer.bytes
    }
}

/// Which program reports.
package struct ErrorSender: Sendable {
    package let program: String
    package let version: String
    /// The machine, or the node.
    package let instance: String

    package init(program: String, version: String, instance: String) {
        self.program = program
        self.version = version
        self.instance = instance
    }
}

/// Where errors are sent: a DSN `https://PUBLIC_KEY@HOST/PROJECT`, with a path in front of the project at
/// will.
package struct ErrorDestination: Sendable, Equatable {
    /// Where envelopes are posted.
    package let url: String
    /// The value of `X-Sentry-Auth`.
    package let authorization: String

    package init?(dsn: String) {
        guard let scheme = ["https://", "http://"].first(where: { dsn.hasPrefix($0) }) else { return nil }
        let rest = dsn.dropFirst(scheme.count).split(separator: "@", omittingEmptySubsequences: false)
        guard rest.count == 2, let project = rest[1].lastIndex(of: "/") else { return nil }
        // An old form has a secret behind the key; nothing needs it.
        let key = rest[0].prefix { $0 != ":" }
        let number = rest[1][rest[1].index(after: project)...]
        let base = rest[1][..<project]
        let isPlain = { (text: Substring) in
            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x2C && $0 != 0x3F }
        }
        guard isPlain(key), isPlain(number), isPlain(base) else { return nil }
        url = "\(scheme)\(base)/api/\(number)/envelope/"
        authorization = "Sentry sentry_version=7, sentry_client=eclusa/1, sentry_key=\(key)"
    }
}
