/// Every use case of the control plane, by noun. One value a loop; each operation authorises its caller,
/// works in one transaction and leaves an audit row.
package struct Operations {
    package let environment: OperationEnvironment

    package init(_ environment: OperationEnvironment) { self.environment = environment }

    package var tenants: TenantOperations { TenantOperations(environment: environment) }
    package var tenantPurge: TenantPurge { TenantPurge(environment: environment) }
    package var workspaces: WorkspaceOperations { WorkspaceOperations(environment: environment) }
    package var users: UserOperations { UserOperations(environment: environment) }
    package var members: MemberOperations { MemberOperations(environment: environment) }
    package var groups: GroupOperations { GroupOperations(environment: environment) }
    package var roles: RoleOperations { RoleOperations(environment: environment) }
    package var bindings: BindingOperations { BindingOperations(environment: environment) }
    package var serviceAccounts: ServiceAccountOperations {
        ServiceAccountOperations(environment: environment)
    }
    package var dashboards: DashboardOperations { DashboardOperations(environment: environment) }
    package var clientErrors: ClientErrorOperations { ClientErrorOperations(environment: environment) }
    package var scim: SCIMOperations { SCIMOperations(environment: environment) }
    package var sessions: SessionOperations { SessionOperations(environment: environment) }
    package var invitations: InvitationOperations { InvitationOperations(environment: environment) }
    package var identityProviders: IdentityProviderOperations {
        IdentityProviderOperations(environment: environment)
    }
    package var providerSignIns: ProviderSignInOperations {
        ProviderSignInOperations(environment: environment)
    }
    package var secondFactors: SecondFactorOperations { SecondFactorOperations(environment: environment) }
    package var signUps: SignUpOperations { SignUpOperations(environment: environment) }
    package var providers: ProviderOperations { ProviderOperations(environment: environment) }
    package var providerCredentials: ProviderCredentialOperations {
        ProviderCredentialOperations(environment: environment)
    }
    package var masterKey: MasterKeyOperations { MasterKeyOperations(environment: environment) }
    package var models: ModelOperations { ModelOperations(environment: environment) }
    package var explanations: ExplainOperations { ExplainOperations(environment: environment) }
    package var markups: MarkupOperations { MarkupOperations(environment: environment) }
    package var priceImports: PriceImportOperations { PriceImportOperations(environment: environment) }
    package var prices: PriceOperations { PriceOperations(environment: environment) }
    package var routes: RouteOperations { RouteOperations(environment: environment) }
    package var keys: KeyOperations { KeyOperations(environment: environment) }
    package var limits: LimitOperations { LimitOperations(environment: environment) }
    package var alertRules: AlertRuleOperations { AlertRuleOperations(environment: environment) }
    package var alertChannels: AlertChannelOperations { AlertChannelOperations(environment: environment) }
    package var alerts: AlertOperations { AlertOperations(environment: environment) }
    package var alertWatch: AlertWatch { AlertWatch(environment: environment) }
    package var alertSending: AlertSending { AlertSending(environment: environment) }
    package var reportSchedules: ReportScheduleOperations {
        ReportScheduleOperations(environment: environment)
    }
    package var guardrails: GuardrailOperations { GuardrailOperations(environment: environment) }
    package var mails: MailOperations { MailOperations(environment: environment) }
    package var nodes: NodeOperations { NodeOperations(environment: environment) }
    package var joinTokens: JoinTokenOperations { JoinTokenOperations(environment: environment) }
    package var rollout: RolloutOperations { RolloutOperations(environment: environment) }
    package var trust: TrustOperations { TrustOperations(environment: environment) }
    package var usage: UsageOperations { UsageOperations(environment: environment) }
    package var contents: ContentOperations { ContentOperations(environment: environment) }
    package var refusals: RefusalOperations { RefusalOperations(environment: environment) }
    package var callLog: CallLogOperations { CallLogOperations(environment: environment) }
    package var ledger: LedgerOperations { LedgerOperations(environment: environment) }
    package var billing: BillingOperations { BillingOperations(environment: environment) }
    package var invoices: InvoiceOperations { InvoiceOperations(environment: environment) }
    package var payments: PaymentOperations { PaymentOperations(environment: environment) }
    package var reratings: ReratingOperations { ReratingOperations(environment: environment) }
    package var ledgerProofs: LedgerProofOperations { LedgerProofOperations(environment: environment) }
    package var reconciliations: ReconciliationOperations {
        ReconciliationOperations(environment: environment)
    }
    package var backups: BackupOperations { BackupOperations(environment: environment) }
    package var auditEvents: AuditOperations { AuditOperations(environment: environment) }
    package var changes: ChangeOperations { ChangeOperations(environment: environment) }
}
