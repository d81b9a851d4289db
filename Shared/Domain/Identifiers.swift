/// The typed IDs in use. Nouns that have no value in Domain get an empty marker here.
package typealias TenantID = ID<Tenant>
package typealias WorkspaceID = ID<Workspace>
package typealias UserID = ID<User>
package typealias GroupID = ID<Group>
package typealias RoleID = ID<RoleNoun>
package typealias ServiceAccountID = ID<ServiceAccount>
package typealias ManagementTokenID = ID<ManagementTokenNoun>
package typealias ProviderID = ID<Provider>
package typealias ModelID = ID<Model>
package typealias PriceID = ID<Price>
package typealias RouteID = ID<Route>
package typealias KeyID = ID<Key>
package typealias NodeID = ID<Node>
package typealias JoinTokenID = ID<JoinToken>
package typealias SessionID = ID<SessionNoun>
package typealias BindingID = ID<BindingNoun>
package typealias IdentityProviderID = ID<IdentityProvider>
package typealias InvitationID = ID<Invitation>
package typealias MailID = ID<Mail>
package typealias BackupID = ID<BackupNoun>
package typealias AuditEventID = ID<AuditEventNoun>
package typealias UsageEventID = ID<UsageEventNoun>
package typealias CredentialID = ID<ProviderCredential>
package typealias FleetKeyID = ID<FleetKeyNoun>
package typealias LimitID = ID<Limit>
package typealias GrantID = ID<GrantNoun>
package typealias LimitAlertID = ID<LimitAlertNoun>
package typealias AlertRuleID = ID<AlertRule>
package typealias AlertChannelID = ID<AlertChannel>
package typealias AlertID = ID<Alert>
package typealias AlertDeliveryID = ID<AlertDelivery>
package typealias ReportScheduleID = ID<ReportSchedule>
package typealias GuardrailID = ID<Guardrail>
package typealias LedgerTransactionID = ID<LedgerTransactionNoun>
package typealias InvoiceID = ID<InvoiceNoun>
package typealias PaymentID = ID<PaymentNoun>
package typealias ReratingID = ID<ReratingNoun>
package typealias ReconciliationID = ID<ReconciliationNoun>
package typealias LedgerProofID = ID<LedgerProofNoun>

extension Tenant: Identified { package static var idPrefix: StaticString { "tenant" } }
extension Workspace: Identified { package static var idPrefix: StaticString { "ws" } }
extension User: Identified { package static var idPrefix: StaticString { "user" } }
extension Group: Identified { package static var idPrefix: StaticString { "group" } }
extension ServiceAccount: Identified { package static var idPrefix: StaticString { "sa" } }
extension Provider: Identified { package static var idPrefix: StaticString { "prov" } }
extension ProviderCredential: Identified { package static var idPrefix: StaticString { "cred" } }
extension Model: Identified { package static var idPrefix: StaticString { "model" } }
extension Price: Identified { package static var idPrefix: StaticString { "price" } }
extension Route: Identified { package static var idPrefix: StaticString { "route" } }
extension Key: Identified { package static var idPrefix: StaticString { "key" } }
extension Node: Identified { package static var idPrefix: StaticString { "node" } }
extension JoinToken: Identified { package static var idPrefix: StaticString { "join" } }
extension IdentityProvider: Identified { package static var idPrefix: StaticString { "idp" } }
extension Invitation: Identified { package static var idPrefix: StaticString { "inv" } }
extension Mail: Identified { package static var idPrefix: StaticString { "mail" } }
extension Limit: Identified { package static var idPrefix: StaticString { "limit" } }
extension AlertRule: Identified { package static var idPrefix: StaticString { "rule" } }
extension AlertChannel: Identified { package static var idPrefix: StaticString { "channel" } }
extension Alert: Identified { package static var idPrefix: StaticString { "alert" } }
extension ReportSchedule: Identified { package static var idPrefix: StaticString { "report" } }
extension AlertDelivery: Identified { package static var idPrefix: StaticString { "delivery" } }
extension Guardrail: Identified { package static var idPrefix: StaticString { "guard" } }

/// A sign-in session of the control plane.
package enum SessionNoun: Identified { package static var idPrefix: StaticString { "sess" } }
/// A role that a tenant made for itself.
package enum RoleNoun: Identified { package static var idPrefix: StaticString { "role" } }
/// A service account's credential for the admin API.
package enum ManagementTokenNoun: Identified { package static var idPrefix: StaticString { "mtok" } }
/// A role given to a user in a scope.
package enum BindingNoun: Identified { package static var idPrefix: StaticString { "bind" } }
/// One row of the audit log.
package enum AuditEventNoun: Identified { package static var idPrefix: StaticString { "audit" } }
/// One backup of the database.
package enum BackupNoun: Identified { package static var idPrefix: StaticString { "backup" } }
/// One call's record of usage.
package enum UsageEventNoun: Identified { package static var idPrefix: StaticString { "use" } }
/// A symmetric key that seals provider credentials for every node of the fleet.
package enum FleetKeyNoun: Identified { package static var idPrefix: StaticString { "fleet" } }
/// A threshold of a budget that was crossed.
package enum LimitAlertNoun: Identified { package static var idPrefix: StaticString { "crossing" } }
/// What one node was lent of a limit.
package enum GrantNoun: Identified { package static var idPrefix: StaticString { "grant" } }
