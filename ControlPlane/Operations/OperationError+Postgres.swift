import Domain
import PostgresDriver
import Store

extension OperationError {
    /// What a failure inside a transaction means to the caller. Constraints state rules, so a violated one is
    /// the caller's to repair; the rest is ours.
    init(_ error: any Error) {
        switch error {
        case let error as OperationError: self = error
        case let error as PostgresError: self = Self.from(error)
        default: self = .fault(String(describing: error))
        }
    }

    private static func from(_ error: PostgresError) -> OperationError {
        let detail = "\(error): \(error.privateDetail)"
        switch error.kind {
        case .unavailable: return .unavailable(detail)
        case .timedOut, .cancelled:
            return OperationError(.deadlineExceeded, retryAfterSeconds: 2, privateDetail: detail)
        case .refused:
            if let constraint = error.constraint, let known = rules[constraint] { return known }
            if error.isUnstorableText { return unstorable }
            // A victim of a collision that lost three times in a row.
            return error.isRetryable ? .overloaded(detail) : .fault(detail)
        case .decoding, .misuse: return .fault(detail)
        }
    }

    private static let rules: [String: OperationError] = [
        Constraint.tenantSlugIsUnique: .taken("/slug"),
        Constraint.workspaceSlugIsUnique: .taken("/slug"),
        Constraint.userEmailIsUnique: .taken("/email"),
        Constraint.identityProviderNameIsUnique: .taken("/name"),
        Constraint.invitationIsTheOnlyOpenOne: .taken("/email"),
        Constraint.invitationWorkspaceExists: .missing("/workspace", "a workspace of this tenant"),
        Constraint.providerNameIsUnique: .taken("/name"),
        Constraint.modelNameIsUnique: .taken("/name"),
        Constraint.routeNameIsUnique: .taken("/name"),
        Constraint.bindingIsGivenOnce: .taken("/bindings"),
        Constraint.bindingGroupExists: .missing("/group", "a group of this tenant"),
        Constraint.bindingAccountExists: .missing("/service_account", "a service account of this tenant"),
        Constraint.groupNameIsUnique: .taken("/name"),
        Constraint.roleNameIsUnique: .taken("/name"),
        Constraint.serviceAccountNameIsUnique: .taken("/name"),
        Constraint.scimUserNameIsUnique: .taken("/userName"),
        Constraint.scimMemberIsASCIMUser: .missing("/members", "users of this provider"),
        Constraint.tenantSignUpDomainIsUnique: .taken("/sign_up_domain"),
        Constraint.workspaceHasKeys: .missing("/workspace", "a workspace of this tenant"),
        Constraint.guardrailNameIsUnique: .taken("/name"),
        Constraint.guardrailWorkspaceExists: .missing("/subject/workspace", "a workspace of this tenant"),
        Constraint.guardrailRouteExists: .missing("/subject/route", "a route of this tenant"),
        Constraint.guardrailKeyExists: .missing("/subject/key", "a key of this tenant"),
        Constraint.limitNameIsUnique: .taken("/name"),
        Constraint.limitWorkspaceExists: .missing("/subject/workspace", "a workspace of this tenant"),
        Constraint.limitGroupExists: .missing("/subject/group", "a group of this tenant"),
        Constraint.limitUserIsAMember: .missing("/subject/user", "a member of this tenant"),
        Constraint.limitKeyExists: .missing("/subject/key", "a key of this tenant"),
        Constraint.alertRuleNameIsUnique: .taken("/name"),
        Constraint.alertChannelNameIsUnique: .taken("/name"),
        Constraint.alertRuleLimitExists: .missing("/limit", "a limit of this tenant"),
        Constraint.alertRuleWorkspaceExists: .missing("/workspace", "a workspace of this tenant"),
        Constraint.alertRuleRouteExists: .missing("/route", "a route of this tenant"),
        Constraint.reportScheduleNameIsUnique: .taken("/name"),
        Constraint.keyOwnerIsAMember: .missing("/owner", "a member of this tenant"),
        Constraint.bindingWorkspaceExists: .missing("/bindings", "workspaces of their tenants"),
        Constraint.modelIsOfAProvider: .missing("/provider", "a provider of this owner"),
        Constraint.targetModelExists: .missing("/targets", "models of this tenant or shared ones"),
        Constraint.invoiceIsTheOnlyOneOfItsMonth: .taken("/month"),
        Constraint.targetRouteExists: .missing("/targets", "routes of this tenant"),
    ]

    /// Where in the request it was, Postgres does not say.
    private static let unstorable = invalid([
        ValidationError("", .invalidFormat, "must not have the character U+0000 in a text")
    ])

    /// A field names something that is not there.
    static func missing(_ pointer: String, _ what: String) -> OperationError {
        .invalid([ValidationError(pointer, .notFound, "must name \(what)")])
    }
}
