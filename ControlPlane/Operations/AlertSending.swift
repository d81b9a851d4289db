import Cryptography
package import Domain
import PostgresDriver
import Store
import Telemetry

/// Hands messages about alerts over: mail to the mail queue, webhooks to their endpoints. Any number of
/// control planes may; each message is claimed with a lease that outlasts every timeout, so that one that
/// dies delays it and sends it at worst once more, under the same ID.
package struct AlertSending {
    /// A message is worth sending for so long.
    package static let lifeSeconds: Int64 = 3 * 86_400
    package static let firstRetrySeconds: Int64 = 5
    package static let longestRetrySeconds: Int64 = 600
    static let leaseSeconds: Int64 = 60

    /// A message that may be sent now.
    package struct Due: Sendable, Hashable {
        package let id: AlertDeliveryID
        package let owner: TenantID?
    }

    /// What became of a try.
    package enum Outcome: Sendable {
        case sent, delayed, failed
        /// Somebody else had it.
        case taken
    }

    let environment: OperationEnvironment

    /// The messages that may be sent now, at most `limit`; of one channel never two that have an order.
    package func due(limit: Int = 100) async throws(OperationError) -> [Due] {
        let now = environment.clock.now()
        return try await environment.viewAcrossTenants { connection in
            try await AlertDeliveryStore.due(at: now, limit: limit, connection)
                .map { Due(id: $0.id, owner: $0.tenant) }
        }
    }

    /// Sends one.
    package func send(_ due: Due) async throws(OperationError) -> Outcome {
        do {
            let claimed = try await environment.database.withTenant(due.owner) { connection in
                try await claim(due, connection)
            }
            switch claimed {
            case .nothing: return .taken
            case .queued: return .sent
            case .post(let delivery, let post):
                return try await note(await environment.post(post), delivery, due.owner)
            case .broken(let delivery, let reason):
                return try await note(.unreachable(reason), delivery, due.owner)
            }
        } catch { throw OperationError(error) }
    }

    private enum Claimed {
        case nothing
        /// It was mail, and is in the mail queue.
        case queued
        case post(AlertDelivery, WebhookPost)
        case broken(AlertDelivery, String)
    }

    private func claim(_ due: Due, _ connection: PostgresConnection) async throws -> Claimed {
        let now = environment.clock.now()
        let claimed = try await AlertDeliveryStore.claim(
            due.id, of: due.owner, at: now, leaseUntil: now.advanced(bySeconds: Self.leaseSeconds),
            connection)
        guard let claimed,
            let channel = try await AlertChannelStore.find(claimed.channel, of: due.owner, connection)
        else { return .nothing }
        guard channel.kind == .webhook else {
            let texts = AlertTexts(language: channel.language)
            guard let mail = AlertMessage.mail(claimed.payload, claimed.event, texts) else {
                return .broken(claimed, "its payload does not say what it should")
            }
            try await queue(mail, claimed, channel, now, connection)
            return .queued
        }
        let secrets = try await AlertChannelStore.secrets(of: channel.id, of: due.owner, connection)
        guard let url = channel.url, let secrets else { return .broken(claimed, "it has no address") }
        var sealed = [secrets.current]
        if let previous = secrets.previous, previous.ends > now { sealed.append(previous.sealed) }
        var opened: [WebhookSecret] = []
        for one in sealed {
            let secret = try await environment.keys.vault.open(
                one, of: channel.id, owner: due.owner, connection)
            let text = secret.withBytes { String(decoding: $0, as: UTF8.self) }
            if let secret = WebhookSecret(text) { opened.append(secret) }
        }
        return .post(
            claimed,
            WebhookPost(
                to: url, id: claimed.id.description, body: Array(claimed.payload.utf8), at: now,
                signedBy: opened))
    }

    /// Into the mail queue, in the transaction that ends the message.
    private func queue(
        _ mail: (subject: String, text: String), _ delivery: AlertDelivery, _ channel: AlertChannel,
        _ now: Timestamp, _ connection: PostgresConnection
    ) async throws {
        for recipient in channel.recipients {
            try await environment.queue(
                MailDraft(
                    kind: .alert, recipient: recipient, subject: mail.subject, text: mail.text,
                    giveUpAt: now.advanced(bySeconds: Self.lifeSeconds)), connection)
        }
        _ = try await AlertDeliveryStore.finish(
            delivery, of: channel.tenant, as: .sent, responseStatus: nil, reason: "", at: now, connection)
    }

    private func note(
        _ answer: WebhookPost.Answer, _ delivery: AlertDelivery, _ owner: TenantID?
    ) async throws -> Outcome {
        let now = environment.clock.now()
        var status: Int?
        var reason = ""
        switch answer {
        case .answered(let code):
            status = code
            if !(200..<300).contains(code) { reason = "the endpoint answered \(code)" }
        case .unreachable(let why): reason = why
        }
        if reason.isEmpty {
            try await environment.database.withTenant(owner) { connection in
                _ = try await AlertDeliveryStore.finish(
                    delivery, of: owner, as: .sent, responseStatus: status, reason: "", at: now, connection)
            }
            return .sent
        }
        let next = now.advanced(bySeconds: Self.wait(afterAttempt: delivery.attempts))
        let isOver = next >= delivery.giveUpAt
        environment.log.warning(
            "a webhook did not take a message",
            ["delivery": "\(delivery.id)", "reason": "\(reason)", "given_up": LogValue(isOver)])
        try await environment.database.withTenant(owner) { connection in
            if isOver {
                _ = try await AlertDeliveryStore.finish(
                    delivery, of: owner, as: .failed, responseStatus: status, reason: reason, at: now,
                    connection)
            } else {
                _ = try await AlertDeliveryStore.retry(
                    delivery, of: owner, at: next, responseStatus: status, reason: reason, connection)
            }
        }
        return isOver ? .failed : .delayed
    }

    /// Doubles with each try. Unit: seconds.
    package static func wait(afterAttempt attempt: Int) -> Int64 {
        min(longestRetrySeconds, firstRetrySeconds << Int64(min(max(attempt - 1, 0), 16)))
    }
}
