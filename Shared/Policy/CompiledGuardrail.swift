package import Contract
package import Domain
package import Patterns

/// A guardrail, ready to look at texts.
package final class CompiledGuardrail: Sendable {
    package let entry: GuardrailEntry
    /// nil for those of sizes and webhooks.
    package let detector: Detector?

    package var id: GuardrailID { entry.id }

    /// nil when one of its patterns cannot be understood.
    init?(_ entry: GuardrailEntry) {
        self.entry = entry
        do throws(DetectorProblem) {
            switch entry.rule.kind {
            case .patterns: detector = try Detector(patterns: entry.rule.texts)
            case .words: detector = try Detector(words: entry.rule.texts)
            case .personalData: detector = Detector(personalData: entry.rule.personalData)
            case .secrets: detector = .secrets
            case .size, .webhook: detector = nil
            }
        } catch { return nil }
    }

    /// Those of a tenant, in the order of ids: the older ones first.
    static func compiled(
        _ entries: [GuardrailEntry], fleetKey: FleetKeyID?, _ problems: inout ProblemList
    ) -> [CompiledGuardrail] {
        var ids: Set<GuardrailID> = []
        return entries.sorted { $0.id < $1.id }.compactMap { entry in
            problems.check(ids.insert(entry.id).inserted, .duplicate, "\(entry.id)")
            let rules = Guardrail.problems(name: entry.name, rule: entry.rule, sides: entry.sides)
            problems.check(rules.isEmpty, .invalid, "\(entry.id)")
            let isSealed = entry.secret.map { $0.fleetKey == fleetKey } ?? true
            problems.check(isSealed, .fleetKey, "\(entry.id)")
            let compiled = CompiledGuardrail(entry)
            problems.check(compiled != nil, .invalid, "\(entry.id) has a pattern that is none")
            return compiled
        }
    }

    func looks(at key: AdmittedKey, _ route: CompiledRoute) -> Bool {
        switch entry.subject {
        case .tenant: true
        case .workspace(let id): id == key.record.workspace
        case .route(let id): id == route.id
        case .key(let id): id == key.record.id
        }
    }
}

extension Admitted {
    /// The guardrails that look at the call; for most there are none, which costs nothing to know.
    package var guardrails: [CompiledGuardrail] {
        let all = key.tenant.guardrails
        return all.isEmpty ? [] : all.filter { $0.looks(at: key, route) }
    }
}
