/// The model name applications ask for, with the targets that can answer.
package struct Route: Hashable, Sendable {
    package let id: RouteID
    package let tenant: TenantID
    /// Unique in its tenant.
    package var name: String
    package var targets: [Target]
    package var rules: RouteRules
    package var isEnabled: Bool
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: RouteID, tenant: TenantID, name: String, targets: [Target], rules: RouteRules = .standard,
        isEnabled: Bool = true, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.targets = targets
        self.rules = rules
        self.isEnabled = isEnabled
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package static let maximumTargets = 32
    /// Routes inside routes: the route itself is the first level.
    package static let maximumLevels = 4

    package static func problems(
        name: String, targets: [Target], rules: RouteRules = .standard
    ) -> [ValidationError] {
        var found = [TextRule.modelName.check(name, at: "/name")].compactMap(\.self) + rules.problems
        if !targets.contains(where: { $0.terms.use == .traffic }) {
            found.append(
                ValidationError("/targets", .tooShort, "must have at least one target with the use 'traffic'")
            )
        }
        if targets.count > maximumTargets {
            found.append(ValidationError("/targets", .tooLong, "must have at most \(maximumTargets) targets"))
        }
        for (index, target) in targets.enumerated() {
            found += target.terms.problems.map { $0.below("/targets/\(index)") }
            let isThere = targets[..<index].contains {
                $0.destination == target.destination && $0.terms.use == target.terms.use
                    && $0.terms.conditions == target.terms.conditions
            }
            if isThere {
                let name = target.model == nil ? "route" : "model"
                found.append(
                    ValidationError(
                        "/targets/\(index)/\(name)", .duplicate,
                        "is a target of this route already, with the same use and conditions"))
            }
        }
        return found
    }
}

/// Something inside a route that can answer.
package struct Target: Hashable, Sendable {
    package enum Destination: Hashable, Sendable {
        case model(ModelID)
        /// Another route of the tenant, with its own strategy.
        case route(RouteID)
    }

    package let destination: Destination
    package var terms: TargetTerms

    package init(_ destination: Destination, _ terms: TargetTerms) {
        self.destination = destination
        self.terms = terms
    }

    package init(model: ModelID, weight: Int32 = 100, priority: Int32 = 0) {
        self.init(.model(model), TargetTerms(weight: weight, priority: priority))
    }

    package var model: ModelID? { if case .model(let model) = destination { model } else { nil } }
    package var route: RouteID? { if case .route(let route) = destination { route } else { nil } }

    package static let weights: ClosedRange<Int32> = 1...1000
    package static let priorities: ClosedRange<Int32> = 0...100
}

/// What a target is for.
package enum TargetUse: String, Sendable, CaseIterable {
    case traffic
    /// When no other target can read as much as the call has.
    case contextWindow = "context_window"
    /// When a provider refused the content.
    case contentPolicy = "content_policy"
    /// When a budget does not bear the others.
    case budget
    /// Gets a copy of calls, as many of 1000 as its weight says; its answers are thrown away.
    case shadow
}

/// On what terms a target takes part in its route.
package struct TargetTerms: Hashable, Sendable {
    /// The share among targets of the same priority: 1…1000.
    package var weight: Int32
    /// Lower numbers are tried first; higher ones are the fallback: 0…100.
    package var priority: Int32
    package var use: TargetUse
    package var conditions: TargetConditions
    package var parameters: [TargetParameter]

    package init(
        weight: Int32 = 100, priority: Int32 = 0, use: TargetUse = .traffic,
        conditions: TargetConditions = .none, parameters: [TargetParameter] = []
    ) {
        self.weight = weight
        self.priority = priority
        self.use = use
        self.conditions = conditions
        self.parameters = parameters
    }

    /// What is wrong with them, each at its place in a target.
    package var problems: [ValidationError] {
        var found = conditions.problems
        if !Target.weights.contains(weight) {
            found.append(ValidationError("/weight", .outOfRange, "must be 1 to 1000"))
        }
        if !Target.priorities.contains(priority) {
            found.append(ValidationError("/priority", .outOfRange, "must be 0 to 100"))
        }
        if parameters.count > TargetParameter.maximumCount {
            found.append(
                ValidationError(
                    "/parameters", .tooLong, "must have at most \(TargetParameter.maximumCount) members"))
        }
        for (index, parameter) in parameters.enumerated() {
            if let problem = parameter.problem { found.append(problem) }
            if parameters[..<index].contains(where: { $0.name == parameter.name }) {
                found.append(
                    ValidationError("/parameters/\(parameter.name)", .duplicate, "is there already"))
            }
        }
        return found
    }
}

/// A member of the request's body that a target sets, whatever the caller said.
package struct TargetParameter: Hashable, Sendable {
    package let name: String
    /// Its JSON text; `null` takes the caller's away.
    package let json: String

    package init(name: String, json: String) {
        self.name = name
        self.json = json
    }

    package static let maximumCount = 16
    package static let maximumNameBytes = 64
    package static let maximumBytes = 2048
    /// What the gateway itself decides, or reads to bill the call.
    package static let reserved: Set<String> = [
        "model", "messages", "input", "prompt", "contents", "system", "stream", "stream_options",
    ]

    /// Says nothing about whether `json` is JSON.
    package var problem: ValidationError? {
        let bytes = Array(name.utf8)
        guard (1...Self.maximumNameBytes).contains(bytes.count),
            bytes.allSatisfy({ Base62.isDigit($0) || $0 == UInt8(ascii: "_") })
        else {
            return ValidationError(
                "/parameters", .invalidFormat,
                "must have names of 1 to \(Self.maximumNameBytes) letters, digits and underscores")
        }
        if Self.reserved.contains(name) {
            return ValidationError(
                "/parameters/\(name)", .notAllowed, "is set by the gateway and cannot be configured")
        }
        guard (1...Self.maximumBytes).contains(json.utf8.count) else {
            return ValidationError(
                "/parameters/\(name)", .tooLong, "must have at most \(Self.maximumBytes) bytes of JSON")
        }
        return nil
    }
}
