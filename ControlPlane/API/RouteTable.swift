package import JSONText

/// Every route of the admin API: the table that dispatch, OpenAPI and the authorisation matrix are made from.
package enum RouteTable {
    package static let all: [AdminRoute] =
        SystemRoutes.all + SessionRoutes.all + UserRoutes.all + TenantRoutes.all
        + WorkspaceRoutes.all + MemberRoutes.all + GroupRoutes.all + RoleRoutes.all + BindingRoutes.all
        + ServiceAccountRoutes.all + ProviderRoutes.all + ModelRoutes.all + RouteRoutes.all + KeyRoutes.all
        + LimitRoutes.all + AlertRoutes.all + ReportScheduleRoutes.all + GuardrailRoutes.all
        + UsageRoutes.all + UsageEventRoutes.all + ContentRoutes.all + RefusalRoutes.all
        + LedgerRoutes.all + BillingRoutes.all + InvoiceRoutes.all + ReratingRoutes.all
        + ReconciliationRoutes.all + LedgerProofRoutes.all
        + AuditRoutes.all + BackupRoutes.all + NodeRoutes.all + JoinTokenRoutes.all
        + TrustRoutes.all + RolloutRoutes.all + ChangeRoutes.all + EventRoutes.all + MailRoutes.all
        + DeclarationRoutes.all + ClientErrorRoutes.all + DashboardRoutes.all
        + InvitationRoutes.all + SignUpRoutes.all + SecondFactorRoutes.all
        + IdentityProviderRoutes.all + SCIMRoutes.all

    /// The version of the API, not of the program.
    package static let version = "1.0.0"

    package static var description: JSONValue { OpenAPIDocument.json(of: all, version: version) }

    /// The description as it is served and committed.
    package static let openAPI: [UInt8] = description.bytes
}
