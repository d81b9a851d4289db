package import Cryptography
package import Domain
package import PostgresDriver

// How the product's values stand in a database, and how they come back.

extension ID: SQLBindable {
    package static var sqlType: SQLType { .uuid }
    package var sqlParameter: SQLParameter { .uuid(PostgresUUID(high: high, low: low)) }
}

extension Timestamp: SQLBindable {
    package static var sqlType: SQLType { .timestamp }
    package var sqlParameter: SQLParameter { .timestamp(microseconds: microseconds) }
}

extension NanoUSD: SQLBindable {
    package static var sqlType: SQLType { .int64 }
    package var sqlParameter: SQLParameter { .int64(nanos) }
}

extension SHA256Digest: SQLBindable {
    package static var sqlType: SQLType { .bytes }
    package var sqlParameter: SQLParameter { .bytes(bytes) }
}

extension KeyPublicID: SQLBindable {
    package static var sqlType: SQLType { .text }
    package var sqlParameter: SQLParameter { .text(description) }
}

extension ID {
    init(_ uuid: PostgresUUID) {
        self.init(high: uuid.high, low: uuid.low)
    }
}

extension ID where Noun == Tenant {
    /// The row of `tenants` that what the platform itself owns hangs on; never shown as a tenant.
    package static let platform = TenantID(high: 0, low: 0)

    /// The `tenant_id` of something a tenant owns, or (nil) the platform.
    static func owner(_ tenant: TenantID?) -> TenantID { tenant ?? platform }
}

extension Row {
    func id<Noun>(_ column: Int) throws(PostgresError) -> ID<Noun> {
        ID(try uuid(column))
    }

    func optionalID<Noun>(_ column: Int) throws(PostgresError) -> ID<Noun>? {
        try optionalUUID(column).map { ID($0) }
    }

    /// The owner of a row: nil for the platform.
    func owner(_ column: Int) throws(PostgresError) -> TenantID? {
        let tenant: TenantID = try id(column)
        return tenant == .platform ? nil : tenant
    }

    func timestamp(_ column: Int) throws(PostgresError) -> Timestamp {
        Timestamp(microseconds: try timestampMicroseconds(column))
    }

    func optionalTimestamp(_ column: Int) throws(PostgresError) -> Timestamp? {
        try optionalTimestampMicroseconds(column).map { Timestamp(microseconds: $0) }
    }

    func int32(_ column: Int) throws(PostgresError) -> Int32 {
        Int32(clamping: try int64(column))
    }

    func optionalInt32(_ column: Int) throws(PostgresError) -> Int32? {
        try optionalInt64(column).map { Int32(clamping: $0) }
    }

    func digest(_ column: Int) throws(PostgresError) -> SHA256Digest {
        guard let digest = SHA256Digest(try bytes(column)) else { throw unreadable(column) }
        return digest
    }

    /// A text column read as one of the product's values; `.decoding` when it is none of them.
    func value<Value>(_ column: Int, _ parse: (String) -> Value?) throws(PostgresError) -> Value {
        guard let value = parse(try text(column)) else { throw unreadable(column) }
        return value
    }

    func unreadable(_ column: Int) -> PostgresError {
        PostgresError(.decoding, privateDetail: "column \(column) holds a value this program does not know")
    }
}

/// The names of the constraints callers turn into an answer; each states its rule.
package enum Constraint {
    package static let tenantSlugIsUnique = "tenant_slug_is_unique"
    package static let workspaceSlugIsUnique = "workspace_slug_is_unique"
    package static let workspaceHasKeys = "key_belongs_to_a_workspace"
    package static let userEmailIsUnique = "user_email_is_unique"
    package static let invitationIsTheOnlyOpenOne = "invitation_is_the_only_open_one"
    package static let identityProviderNameIsUnique = "identity_provider_name_is_unique"
    package static let invitationWorkspaceExists = "invitation_workspace_exists"
    package static let bindingIsGivenOnce = "binding_is_given_once"
    package static let bindingWorkspaceExists = "binding_workspace_exists"
    package static let bindingGroupExists = "binding_group_exists"
    package static let bindingAccountExists = "binding_account_exists"
    /// A binding names a role that is not there, or a role cannot be deleted because somebody holds it.
    package static let bindingRoleExists = "binding_role_exists"
    package static let groupNameIsUnique = "group_name_is_unique"
    package static let roleNameIsUnique = "role_name_is_unique"
    package static let serviceAccountNameIsUnique = "service_account_name_is_unique"
    package static let scimUserNameIsUnique = "scim_user_name_is_unique"
    package static let scimMemberIsASCIMUser = "scim_member_is_a_scim_user"
    package static let tenantSignUpDomainIsUnique = "tenant_sign_up_domain_is_unique"
    package static let providerNameIsUnique = "provider_name_is_unique"
    package static let modelNameIsUnique = "model_name_is_unique"
    package static let modelIsOfAProvider = "model_is_of_a_provider"
    package static let routeNameIsUnique = "route_name_is_unique"
    /// A route names a model that is not there, or a model cannot be deleted because a route names it.
    package static let targetModelExists = "target_model_exists"
    /// A route names a route that is not there, or a route cannot be deleted because another one names it.
    package static let targetRouteExists = "target_route_exists"
    package static let keyOwnerIsAMember = "key_owner_is_a_member"
    package static let keyPublicIDIsUnique = "key_public_id_is_unique"
    package static let guardrailNameIsUnique = "guardrail_name_is_unique"
    package static let guardrailWorkspaceExists = "guardrail_workspace_exists"
    package static let guardrailRouteExists = "guardrail_route_exists"
    package static let guardrailKeyExists = "guardrail_key_exists"
    package static let limitNameIsUnique = "limit_name_is_unique"
    package static let limitWorkspaceExists = "limit_workspace_exists"
    package static let limitGroupExists = "limit_group_exists"
    package static let limitUserIsAMember = "limit_user_is_a_member"
    package static let limitKeyExists = "limit_key_exists"
    package static let alertRuleNameIsUnique = "alert_rule_name_is_unique"
    package static let alertChannelNameIsUnique = "alert_channel_name_is_unique"
    package static let alertRuleLimitExists = "alert_rule_limit_exists"
    package static let alertRuleWorkspaceExists = "alert_rule_workspace_exists"
    package static let alertRuleRouteExists = "alert_rule_route_exists"
    package static let reportScheduleNameIsUnique = "report_schedule_name_is_unique"
    package static let invoiceIsTheOnlyOneOfItsMonth = "invoice_is_the_only_one_of_its_month"
    package static let nodeIdentityIsUnique = "node_identity_is_unique"
}
