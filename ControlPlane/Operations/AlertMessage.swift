import Domain
import JSONText

/// What is said about an alert: the JSON of a webhook, and the mail made of the same facts.
struct AlertMessage {
    let json: JSONValue

    init(_ alert: Alert, _ event: AlertDelivery.Event, at now: Timestamp) {
        let data: JSONValue = [
            "alert": .string(alert.id.description),
            "tenant": alert.tenant.map { .string($0.description) } ?? .null,
            "rule": .string(alert.rule.description), "rule_name": .string(alert.ruleName),
            "kind": .string(alert.kind.rawValue), "severity": .string(alert.severity.rawValue),
            "about": .string(alert.about), "value": .number(JSONNumber(alert.value)),
            "threshold": .number(JSONNumber(alert.threshold)), "unit": .string(alert.kind.unit.rawValue),
            "started_at": .string(alert.startedAt.description),
            "resolved_at": alert.resolvedAt.map { .string($0.description) } ?? .null,
            "text": .string(AlertTexts(language: .english).sentence(alert)),
        ]
        json = Self.envelope(event, data, now)
    }

    init(testOf channel: AlertChannel, at now: Timestamp) {
        let data: JSONValue = [
            "tenant": channel.tenant.map { .string($0.description) } ?? .null,
            "channel": .string(channel.id.description), "channel_name": .string(channel.name),
            "text": .string(AlertTexts(language: .english).test(channel.name).text),
        ]
        json = Self.envelope(.test, data, now)
    }

    private static func envelope(
        _ event: AlertDelivery.Event, _ data: JSONValue, _ now: Timestamp
    ) -> JSONValue {
        [
            "type": .string("alert.\(event.rawValue)"), "timestamp": .string(now.description), "data": data,
        ]
    }

    /// The mail that says what a message's text says; nil: it is no such text.
    static func mail(
        _ payload: String, _ event: AlertDelivery.Event, _ texts: AlertTexts
    ) -> (subject: String, text: String)? {
        guard let json = try? JSONValue.parse(Array(payload.utf8)), let data = json["data"] else {
            return nil
        }
        if event == .test { return texts.test(data["channel_name"]?.string ?? "") }
        guard let rule = data["rule_name"]?.string,
            let kind = data["kind"]?.string.flatMap({ AlertRule.Kind(rawValue: $0) }),
            let about = data["about"]?.string, let value = data["value"]?.exactInt64,
            let threshold = data["threshold"]?.exactInt64
        else { return nil }
        let sentence = texts.sentence(kind, about: about, value: value, threshold: threshold)
        let times = [data["started_at"]?.string, data["resolved_at"]?.string].compactMap(\.self)
        return texts.mail(rule, isResolved: event == .resolved, sentence: sentence, times: times)
    }
}

/// What people are written about alerts, in their language.
struct AlertTexts {
    let language: Language

    private func say(_ english: String, _ portuguese: String) -> String {
        language == .english ? english : portuguese
    }

    func sentence(_ alert: Alert) -> String {
        sentence(alert.kind, about: alert.about, value: alert.value, threshold: alert.threshold)
    }

    func sentence(_ kind: AlertRule.Kind, about: String, value: Int64, threshold: Int64) -> String {
        switch kind {
        case .budgetThreshold:
            say(
                "The budget \(about) is used to \(value) %: it crossed \(threshold) %.",
                "O orçamento \(about) está \(value) % usado: passou de \(threshold) %.")
        case .budgetForecast:
            say(
                "At its pace so far the budget \(about) will be used to \(value) % "
                    + "(alert from \(threshold) %).",
                "No ritmo atual, o orçamento \(about) chegará a \(value) % "
                    + "(alerta a partir de \(threshold) %)."
            )
        case .spendAnomaly:
            say(
                "The last hour cost \(value) % of a usual hour (alert from \(threshold) %).",
                "A última hora custou \(value) % de uma hora normal (alerta a partir de \(threshold) %).")
        case .errorRate:
            say(
                "\(value) % of calls failed (alert from \(threshold) %).",
                "\(value) % das chamadas falharam (alerta a partir de \(threshold) %).")
        case .latency:
            say(
                "Calls take up to \(value) ms (alert from \(threshold) ms).",
                "As chamadas levam até \(value) ms (alerta a partir de \(threshold) ms).")
        default: nodeSentence(kind, about, value, threshold)
        }
    }

    private func nodeSentence(
        _ kind: AlertRule.Kind, _ about: String, _ value: Int64, _ threshold: Int64
    ) -> String {
        switch kind {
        case .nodeOffline:
            say(
                "Node \(about) was last heard of \(value) s ago.",
                "O nó \(about) deu sinal pela última vez há \(value) s.")
        case .nodeLag:
            say(
                "Node \(about) runs a snapshot that was replaced \(value) s ago.",
                "O nó \(about) usa um snapshot substituído há \(value) s.")
        case .nodeOutbox:
            say(
                "Node \(about) holds \(value) usage events it could not hand in.",
                "O nó \(about) guarda \(value) eventos de uso que não conseguiu entregar.")
        default:
            say("\(about) ends in \(value) days.", "\(about) expira em \(value) dias.")
        }
    }

    func mail(
        _ rule: String, isResolved: Bool, sentence: String, times: [String]
    ) -> (subject: String, text: String) {
        let subject = isResolved ? say("Resolved: \(rule)", "Resolvido: \(rule)") : rule
        let began = times.first.map { say("Since \($0)", "Desde \($0)") }
        let ended = times.dropFirst().first.map { say("Resolved at \($0)", "Resolvido em \($0)") }
        let opening =
            isResolved
            ? say("This no longer holds:", "Isto não vale mais:")
            : say("This alert fired:", "Este alerta disparou:")
        let lines = [opening, "", sentence, ""] + [began, ended].compactMap(\.self)
        return (subject, lines.joined(separator: "\n"))
    }

    func test(_ channel: String) -> (subject: String, text: String) {
        (
            say("Test of the alert channel \(channel)", "Teste do canal de alertas \(channel)"),
            say(
                "This is a test: alerts that name the channel \(channel) arrive here.",
                "Isto é um teste: alertas que usam o canal \(channel) chegam aqui.")
        )
    }
}
