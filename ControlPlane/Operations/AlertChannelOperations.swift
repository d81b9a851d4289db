import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// What a new alert channel is made of.
package struct NewAlertChannel: Sendable {
    package var name: String
    package var kind: AlertChannel.Kind
    package var recipients: [String] = []
    package var url: String?
    package var language = Language.english
    package var quietHours: AlertChannel.QuietHours?
    package var isEnabled = true

    package init(name: String, kind: AlertChannel.Kind) {
        self.name = name
        self.kind = kind
    }
}

/// What changes about an alert channel; nil stays as it is.
package struct AlertChannelChange: Sendable {
    package var name: String?
    package var recipients: [String]?
    package var url: String?
    package var language: Language?
    package var quietHours: Edit<AlertChannel.QuietHours> = .keep
    package var isEnabled: Bool?

    package init() {}
}

/// A channel with the secret that signs its messages, which nobody sees again; nil: mail is not signed.
package struct IssuedAlertChannel: Sendable {
    package let channel: AlertChannel
    package let secret: String?
}

/// Where alerts are sent. `owner` nil: the platform's.
package struct AlertChannelOperations {
    /// How long the secret of before signs beside a new one. Unit: seconds.
    package static let overlapSeconds: Int64 = 86_400

    let environment: OperationEnvironment

    package func list(
        of owner: TenantID?, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<AlertChannel> {
        try await environment.read(.alertsRead, in: .owner(owner), by: caller) { connection in
            ListPage(try await AlertChannelStore.list(of: owner, page.of(AlertChannel.self), connection))
        }
    }

    package func get(
        _ id: AlertChannelID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> AlertChannel {
        try await environment.read(.alertsRead, in: .owner(owner), by: caller) { connection in
            try found(try await AlertChannelStore.find(id, of: owner, connection))
        }
    }

    /// Makes a channel; a webhook's secret is in the answer and nowhere else.
    package func create(
        _ new: NewAlertChannel, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<IssuedAlertChannel> {
        let now = environment.clock.now()
        let channel = AlertChannel(
            id: AlertChannelID(at: now), tenant: owner, kind: new.kind, name: new.name,
            recipients: new.recipients, url: try Self.url(new.url), language: new.language,
            quietHours: new.quietHours, isEnabled: new.isEnabled, createdAt: now, updatedAt: now)
        try check(problems(channel))
        let secret = new.kind == .webhook ? WebhookSecret() : nil
        return try await environment.write(
            "alert-channels.create", .alertsCreate, in: .owner(owner), by: caller
        ) { connection in
            // Two at once must not both find the last place free.
            try await NounLock.take("alert channels of \(owner?.description ?? "the platform")", connection)
            guard
                try await AlertChannelStore.count(of: owner, connection) < AlertChannel.maximumOfOwner
            else {
                throw OperationError(
                    .conflict, detail: "There are at most \(AlertChannel.maximumOfOwner) alert channels.")
            }
            try await demandTimeZone(of: channel, connection)
            let sealed = try await seal(secret, of: channel, connection)
            try await AlertChannelStore.create(channel, sealedSecret: sealed, connection)
            return Recorded(
                IssuedAlertChannel(channel: channel, secret: secret?.text),
                AuditSubject("alert_channel", channel.id, Self.details(channel)))
        }
    }

    /// Changes what is not nil. Switched off, its messages wait.
    package func update(
        _ id: AlertChannelID, _ change: AlertChannelChange, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<AlertChannel> {
        let now = environment.clock.now()
        let url = try Self.url(change.url)
        return try await environment.write(
            "alert-channels.update", .alertsUpdate, in: .owner(owner), by: caller
        ) { connection in
            let before = try found(try await AlertChannelStore.find(id, of: owner, connection))
            var channel = before
            channel.apply(change)
            channel.url = url ?? channel.url
            channel.updatedAt = now
            try check(problems(channel))
            try await demandTimeZone(of: channel, connection)
            guard try await AlertChannelStore.update(channel, expecting: before.updatedAt, connection) else {
                throw OperationError(.preconditionFailed)
            }
            return Recorded(
                channel,
                AuditSubject("alert_channel", id, from: Self.details(before), to: Self.details(channel)))
        }
    }

    /// Deletes it with its messages; rules go on without it.
    package func delete(
        _ id: AlertChannelID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<AlertChannel> {
        try await environment.write(
            "alert-channels.delete", .alertsDelete, in: .owner(owner), by: caller
        ) { connection in
            let channel = try found(try await AlertChannelStore.find(id, of: owner, connection))
            _ = try await AlertChannelStore.delete(id, of: owner, connection)
            return Recorded(channel, AuditSubject("alert_channel", id, Self.details(channel)))
        }
    }

    /// A new secret. For a day messages are signed with the one before too.
    package func rotateSecret(
        of id: AlertChannelID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<IssuedAlertChannel> {
        let now = environment.clock.now()
        let secret = WebhookSecret()
        return try await environment.write(
            "alert-channels.rotate-secret", .alertsUpdate, in: .owner(owner), by: caller
        ) { connection in
            let channel = try found(try await AlertChannelStore.find(id, of: owner, connection))
            let sealed = try await environment.keys.vault.seal(
                Secret(utf8: secret.text), of: id, owner: owner, connection)
            guard
                try await AlertChannelStore.replaceSecret(
                    of: id, of: owner, by: sealed,
                    previousUntil: now.advanced(bySeconds: Self.overlapSeconds), at: now, connection)
            else {
                throw OperationError(
                    .conflict, detail: "Only webhooks have a secret; this channel is e-mail.")
            }
            let changed = try found(try await AlertChannelStore.find(id, of: owner, connection))
            return Recorded(
                IssuedAlertChannel(channel: changed, secret: secret.text),
                AuditSubject("alert_channel", id, ["name": .string(channel.name)]))
        }
    }

    /// Queues a message that says it is a test; quiet hours and what waits do not hold it up.
    package func test(
        _ id: AlertChannelID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<AlertDelivery> {
        try await environment.write(
            "alert-channels.test", .alertsUpdate, in: .owner(owner), by: caller
        ) { connection in
            let channel = try found(try await AlertChannelStore.find(id, of: owner, connection))
            let message = AlertMessage(testOf: channel, at: environment.clock.now())
            let delivery = try await environment.queue(
                message, .test, to: id, alert: nil, severity: .info, of: owner, connection)
            return Recorded(delivery, AuditSubject("alert_channel", id, ["name": .string(channel.name)]))
        }
    }

    // MARK: Parts

    private static func url(_ text: String?) throws(OperationError) -> BaseURL? {
        guard let text else { return nil }
        guard let url = BaseURL(text) else {
            throw .invalid([
                ValidationError("/url", .invalidFormat, "must be an https URL without query or fragment")
            ])
        }
        return url
    }

    private func problems(_ channel: AlertChannel) -> [ValidationError] {
        var problems = channel.problems()
        if let url = channel.url, let reason = environment.egressRefusal(url) {
            problems.append(ValidationError("/url", .notAllowed, "cannot be reached: \(reason)"))
        }
        return problems
    }

    private func demandTimeZone(of channel: AlertChannel, _ connection: PostgresConnection) async throws {
        guard let zone = channel.quietHours?.timeZone else { return }
        guard try await LimitStore.isTimeZone(zone, connection) else {
            throw OperationError.missing(
                "/quiet_hours/time_zone", "a time zone of the time zone database such as Europe/Lisbon")
        }
    }

    private func seal(
        _ secret: WebhookSecret?, of channel: AlertChannel, _ connection: PostgresConnection
    ) async throws -> [UInt8]? {
        guard let secret else { return nil }
        return try await environment.keys.vault.seal(
            Secret(utf8: secret.text), of: channel.id, owner: channel.tenant, connection)
    }

    private static func details(_ channel: AlertChannel) -> JSONValue {
        var details = JSONObject()
        details["name"] = .string(channel.name)
        details["kind"] = .string(channel.kind.rawValue)
        details["recipients"] = .array(channel.recipients.map { .string($0) })
        details["url"] = channel.url.map { .string($0.description) } ?? .null
        details["language"] = .string(channel.language.rawValue)
        details["quiet_hours"] =
            channel.quietHours.map {
                let times = "\(AlertChannel.QuietHours.text($0.from))–\(AlertChannel.QuietHours.text($0.to))"
                return .string("\(times) \($0.timeZone)")
            } ?? .null
        details["enabled"] = .boolean(channel.isEnabled)
        return .object(details)
    }
}

extension AlertChannel {
    fileprivate mutating func apply(_ change: AlertChannelChange) {
        name = change.name ?? name
        recipients = change.recipients ?? recipients
        language = change.language ?? language
        isEnabled = change.isEnabled ?? isEnabled
        switch change.quietHours {
        case .keep: break
        case .clear: quietHours = nil
        case .set(let hours): quietHours = hours
        }
    }
}
