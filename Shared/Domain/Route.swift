/// The model name applications ask for, with the targets that can answer.
package struct Route: Hashable, Sendable {
    package let id: RouteID
    package let tenant: TenantID
    /// Unique in its tenant.
    package var name: String
    package var targets: [Target]
    package var isEnabled: Bool
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: RouteID, tenant: TenantID, name: String, targets: [Target], isEnabled: Bool = true,
        createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.targets = targets
        self.isEnabled = isEnabled
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package static let maximumTargets = 32

    package static func problems(name: String, targets: [Target]) -> [ValidationError] {
        var found = [TextRule.modelName.check(name, at: "/name")].compactMap(\.self)
        if targets.isEmpty {
            found.append(ValidationError("/targets", .tooShort, "must have at least one target"))
        }
        if targets.count > maximumTargets {
            found.append(ValidationError("/targets", .tooLong, "must have at most \(maximumTargets) targets"))
        }
        for (index, target) in targets.enumerated() {
            if !Target.weights.contains(target.weight) {
                found.append(ValidationError("/targets/\(index)/weight", .outOfRange, "must be 1 to 1000"))
            }
            if !Target.priorities.contains(target.priority) {
                found.append(ValidationError("/targets/\(index)/priority", .outOfRange, "must be 0 to 100"))
            }
            if targets[..<index].contains(where: { $0.model == target.model }) {
                found.append(
                    ValidationError(
                        "/targets/\(index)/model", .duplicate, "is a target of this route already"))
            }
        }
        return found
    }
}

/// One provider's model inside a route.
package struct Target: Hashable, Sendable {
    package let model: ModelID
    /// The share among targets of the same priority: 1…1000.
    package var weight: Int32
    /// Lower numbers are tried first; higher ones are the fallback: 0…100.
    package var priority: Int32

    package static let weights: ClosedRange<Int32> = 1...1000
    package static let priorities: ClosedRange<Int32> = 0...100

    package init(model: ModelID, weight: Int32 = 100, priority: Int32 = 0) {
        self.model = model
        self.weight = weight
        self.priority = priority
    }
}
