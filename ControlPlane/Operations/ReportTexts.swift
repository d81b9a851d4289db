import Domain
import PostgresDriver
import Store

extension OperationEnvironment {
    /// Queues the mails of a report about the period before this moment, in the caller's transaction.
    func queueReport(of schedule: ReportSchedule, _ connection: PostgresConnection) async throws {
        let now = clock.now()
        let period = try await ReportScheduleStore.period(of: schedule, at: now, connection)
        var query = UsageQuery(tenant: schedule.tenant, from: period.from, to: period.to)
        query.groupBy = [schedule.groupBy.dimension]
        query.limit = schedule.lines
        let statement = try await UsageOperations.statement(query, isCompared: true, connection)
        let ids = statement.lines.compactMap { $0.grouped(by: schedule.groupBy) }
        let names = try await ReportScheduleStore.names(
            of: ids, as: schedule.groupBy, in: schedule.tenant, connection)
        let texts = ReportTexts(schedule: schedule, publicURL: publicURL)
        let text = texts.text(statement) { line in
            if schedule.groupBy == .tag { return line.tag }
            return line.grouped(by: schedule.groupBy).flatMap { names[$0] }
        }
        for recipient in schedule.recipients {
            try await queue(
                MailDraft(
                    kind: .report, recipient: recipient, subject: texts.subject(statement), text: text,
                    giveUpAt: now.advanced(bySeconds: 3 * 86_400)), connection)
        }
    }
}

extension ReportSchedule.Grouping {
    fileprivate var dimension: UsageQuery.Dimension {
        switch self {
        case .workspace: .workspace
        case .key: .key
        case .route: .route
        case .provider: .provider
        case .model: .model
        case .user: .user
        case .group: .group
        case .tag: .tag
        }
    }
}

extension UsageLine {
    /// The ID of what the line is about; nil: it is about calls that had none.
    fileprivate func grouped(by grouping: ReportSchedule.Grouping) -> PostgresUUID? {
        func uuid<Noun>(_ id: ID<Noun>?) -> PostgresUUID? {
            id.map { PostgresUUID(high: $0.high, low: $0.low) }
        }
        return switch grouping {
        case .workspace: uuid(workspace)
        case .key: uuid(key)
        case .route: uuid(route)
        case .provider: uuid(provider)
        case .model: uuid(model)
        case .user: uuid(user)
        case .group: uuid(group)
        case .tag: nil
        }
    }
}

/// A report as plain text, in the language of its schedule.
struct ReportTexts {
    let schedule: ReportSchedule
    /// Where people reach the control plane, without a slash at its end.
    let publicURL: String

    private func say(_ english: String, _ portuguese: String) -> String {
        schedule.language == .english ? english : portuguese
    }

    func subject(_ statement: UsageStatement) -> String {
        "\(schedule.name): \(statement.total.cost) USD"
    }

    /// The sums of the period beside those of the one before, and the dearest lines.
    func text(_ statement: UsageStatement, _ name: (UsageLine) -> String?) -> String {
        let (total, before) = (statement.total, statement.previousTotal)
        var lines = [
            say(
                "From \(statement.from) to \(statement.to).", "De \(statement.from) a \(statement.to)."), "",
            say("Cost", "Custo") + ": \(total.cost) USD" + compared(before.map { "\($0.cost) USD" }),
            say("Calls", "Chamadas") + ": \(total.calls)" + compared(before.map { "\($0.calls)" }),
            say("Failed calls", "Chamadas que falharam") + ": \(total.failedCalls)"
                + compared(before.map { "\($0.failedCalls)" }),
            say("Tokens read", "Tokens lidos") + ": \(total.inputTokens)",
            say("Tokens written", "Tokens escritos") + ": \(total.outputTokens)", "",
        ]
        for line in statement.lines {
            let previous = line.previous.map { "\($0.cost) USD" }
            lines.append(
                "- \(name(line) ?? say("(none)", "(nenhum)")): \(line.figures.cost) USD, "
                    + say("\(line.figures.calls) calls", "\(line.figures.calls) chamadas")
                    + compared(previous))
        }
        if statement.lines.isEmpty { lines.append(say("There were no calls.", "Não houve chamadas.")) }
        if statement.isCut { lines.append(say("More in the console:", "Mais no console:")) }
        lines += ["", "\(publicURL)/console/tenants/\(schedule.tenant)/usage"]
        return lines.joined(separator: "\n")
    }

    private func compared(_ before: String?) -> String {
        before.map { say(" (before: \($0))", " (antes: \($0))") } ?? ""
    }
}
