/// Members of a tenant who are given roles together.
package struct Group: Hashable, Sendable {
    package static let maximumDescription = 500

    package let id: GroupID
    package let tenant: TenantID
    /// Unique in its tenant, compared without case.
    package var name: String
    package var description: String
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: GroupID, tenant: TenantID, name: String, description: String = "", createdAt: Timestamp,
        updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.description = description
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// What is wrong with a name and a description, at `/name` and `/description`; of roles and service
    /// accounts too.
    package static func problems(name: String, description: String) -> [ValidationError] {
        var found = [TextRule.displayName.check(name, at: "/name")].compactMap(\.self)
        if description.utf8.count > maximumDescription {
            found.append(
                ValidationError("/description", .tooLong, "must have at most \(maximumDescription) bytes"))
        }
        return found
    }
}

/// A role that a tenant made for itself.
package struct CustomRole: Hashable, Sendable {
    package let id: RoleID
    package let tenant: TenantID
    /// Unique in its tenant, compared without case; never that of a built-in role.
    package var name: String
    package var description: String
    package var permissions: Set<Permission>
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: RoleID, tenant: TenantID, name: String, description: String = "", permissions: Set<Permission>,
        createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.description = description
        self.permissions = permissions
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package var role: Role { Role(name: name, custom: id, permissions: permissions) }

    /// As of a group; and no permission that only makes sense for the whole platform.
    package static func problems(
        name: String, description: String, permissions: Set<Permission>
    ) -> [ValidationError] {
        var found = Group.problems(name: name, description: description)
        if Role.builtIn(named: name.lowercased()) != nil {
            found.append(ValidationError("/name", .duplicate, "is the name of a built-in role"))
        }
        let tooMuch = permissions.filter(\.isPlatformOnly).map(\.rawValue).sorted()
        if !tooMuch.isEmpty {
            found.append(
                ValidationError(
                    "/permissions", .notAllowed,
                    "cannot be held in a tenant: \(tooMuch.joined(separator: ", "))"))
        }
        return found
    }
}

/// A machine that uses the admin API with tokens of its own.
package struct ServiceAccount: Hashable, Sendable {
    package enum Status: String, Sendable, CaseIterable {
        case active
        case disabled
    }

    package let id: ServiceAccountID
    package let tenant: TenantID
    /// Unique in its tenant, compared without case.
    package var name: String
    package var description: String
    package var status: Status
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: ServiceAccountID, tenant: TenantID, name: String, description: String = "",
        status: Status = .active, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.description = description
        self.status = status
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// Who can be given a role.
package enum Principal: Hashable, Sendable {
    case user(UserID)
    case group(GroupID)
    case serviceAccount(ServiceAccountID)
}

/// How a binding names its role: a built-in one by name, a tenant's own by ID.
package enum RoleReference: Hashable, Sendable, CustomStringConvertible {
    case builtIn(String)
    case custom(RoleID)

    /// A built-in role's name or a role's ID; nil for anything else.
    package init?(_ text: String) {
        if let id = RoleID(text) {
            self = .custom(id)
        } else if Role.builtIn(named: text) != nil {
            self = .builtIn(text)
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .builtIn(let name): name
        case .custom(let id): id.description
        }
    }
}
