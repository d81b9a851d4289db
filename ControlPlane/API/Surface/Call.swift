package import Contract
package import Domain
import HTTPWire
package import JSONText
package import Operations

/// One request to a route, with everything about it checked that the route table can say: typed parameters, a
/// read query and body, and the caller. Valid inside the handler; non-Sendable, on its loop.
package struct Call {
    package internal(set) var operations: Operations
    /// Where the request came from, for audit and log.
    package let origin: RequestOrigin
    package let query: BodyValues
    package let body: BodyValues
    let signedIn: Caller?
    let parameters: RouteParameters
    let surroundings: Surroundings
    /// The caller's bearer token, for requests that outlive their beginning.
    var accessToken = ""
    /// The refresh token of the caller's cookie.
    var refreshCookie: String?
    /// `Last-Event-ID`: where a stream of events was cut.
    var lastEventID: String?
    /// The body as it came and what was signed of it; only of routes that are signed.
    var signed: (bytes: [UInt8], signature: String?) = ([], nil)
    /// Whether the server is about to stop: what has no end of its own should come to one.
    var isServerEnding: () -> Bool = { false }

    /// The same call, served by other operations: those of its own transaction.
    func with(_ operations: Operations, query: BodyValues? = nil) -> Call {
        Call(
            operations: operations, origin: origin, query: query ?? self.query, body: body,
            signedIn: signedIn, parameters: parameters, surroundings: surroundings)
    }

    /// Who is calling. Only routes that are public have nobody.
    package var caller: Caller {
        get throws(OperationError) {
            guard let signedIn else { throw OperationError(.unauthenticated) }
            return signedIn
        }
    }

    /// The whole body of a route that takes an open one.
    package var document: JSONValue { body.document }

    /// What stands in the path for a parameter that is no ID; nil: the path has none.
    func text(of parameter: PathParameter) -> String? { parameters[parameter.name] }

    package var page: PageRequest {
        get throws(OperationError) {
            PageRequest(
                limit: try query[Paging.limit], after: try query[Paging.cursor],
                createdFrom: try optional(Paging.createdFrom),
                createdBefore: try optional(Paging.createdBefore),
                namePrefix: try optional(Paging.namePrefix))
        }
    }

    /// A parameter that not every list has.
    private func optional<Value>(_ field: Field<Value?>) throws(OperationError) -> Value? {
        query.has(field) ? try query[field] : nil
    }

    /// The ID a path parameter spells. A text that is no ID names nothing: not found, like any other missing
    /// thing.
    private func id<Noun>(_ parameter: PathParameter) throws(OperationError) -> ID<Noun> {
        guard let text = parameters[parameter.name], let id = ID<Noun>(text) else { throw .notFound }
        return id
    }

    package var tenant: TenantID { get throws(OperationError) { try id(.tenant) } }
    package var workspace: WorkspaceID { get throws(OperationError) { try id(.workspace) } }
    package var group: GroupID { get throws(OperationError) { try id(.group) } }
    package var binding: BindingID { get throws(OperationError) { try id(.binding) } }
    package var role: RoleID { get throws(OperationError) { try id(.role) } }
    package var serviceAccount: ServiceAccountID { get throws(OperationError) { try id(.serviceAccount) } }
    package var managementToken: ManagementTokenID { get throws(OperationError) { try id(.managementToken) } }
    package var user: UserID { get throws(OperationError) { try id(.user) } }
    package var session: SessionID { get throws(OperationError) { try id(.session) } }
    package var identityProvider: IdentityProviderID {
        get throws(OperationError) { try id(.identityProvider) }
    }
    package var invitation: InvitationID { get throws(OperationError) { try id(.invitation) } }
    package var provider: ProviderID { get throws(OperationError) { try id(.provider) } }
    package var credential: CredentialID { get throws(OperationError) { try id(.credential) } }
    package var model: ModelID { get throws(OperationError) { try id(.model) } }
    package var price: PriceID { get throws(OperationError) { try id(.price) } }
    package var route: RouteID { get throws(OperationError) { try id(.route) } }
    package var key: KeyID { get throws(OperationError) { try id(.key) } }
    package var limit: LimitID { get throws(OperationError) { try id(.limit) } }
    package var alertRule: AlertRuleID { get throws(OperationError) { try id(.alertRule) } }
    package var alertChannel: AlertChannelID { get throws(OperationError) { try id(.alertChannel) } }
    package var alert: AlertID { get throws(OperationError) { try id(.alert) } }
    package var alertDelivery: AlertDeliveryID { get throws(OperationError) { try id(.alertDelivery) } }
    package var reportSchedule: ReportScheduleID { get throws(OperationError) { try id(.reportSchedule) } }
    package var guardrail: GuardrailID { get throws(OperationError) { try id(.guardrail) } }
    package var usageEvent: UsageEventID { get throws(OperationError) { try id(.usageEvent) } }
    package var node: NodeID { get throws(OperationError) { try id(.node) } }
    package var joinToken: JoinTokenID { get throws(OperationError) { try id(.joinToken) } }
    package var ledgerTransaction: LedgerTransactionID {
        get throws(OperationError) { try id(.ledgerTransaction) }
    }
    package var rerating: ReratingID { get throws(OperationError) { try id(.rerating) } }
    package var reconciliation: ReconciliationID {
        get throws(OperationError) { try id(.reconciliation) }
    }
    package var ledgerProof: LedgerProofID { get throws(OperationError) { try id(.ledgerProof) } }
    package var invoice: InvoiceID { get throws(OperationError) { try id(.invoice) } }
    package var backup: BackupID { get throws(OperationError) { try id(.backup) } }
    package var auditEvent: AuditEventID { get throws(OperationError) { try id(.auditEvent) } }

    /// The version of a snapshot.
    package var snapshot: SnapshotVersion {
        get throws(OperationError) {
            guard let version = SnapshotVersion(parameters[PathParameter.snapshot.name] ?? "") else {
                throw .notFound
            }
            return version
        }
    }

    /// The token of a change, as a write answered it.
    package var change: ChangeToken {
        get throws(OperationError) {
            guard let token = ChangeToken(parameters[PathParameter.change.name] ?? "") else {
                throw .notFound
            }
            return token
        }
    }
}

/// A name in braces in a route's path, and what may stand there.
package struct PathParameter: Sendable, Hashable {
    package let name: String
    package let summary: String
    /// What its IDs begin with.
    package let prefix: String
    /// What it looks like, when it is no ID.
    package var pattern: String?

    package static let tenant = PathParameter(name: "tenant", summary: "The tenant.", prefix: "tenant")
    package static let workspace = PathParameter(name: "workspace", summary: "The workspace.", prefix: "ws")
    package static let user = PathParameter(name: "user", summary: "The user.", prefix: "user")
    package static let session = PathParameter(name: "session", summary: "The session.", prefix: "sess")
    package static let identityProvider = PathParameter(
        name: "identity_provider", summary: "The identity provider.", prefix: "idp")
    package static let invitation = PathParameter(
        name: "invitation", summary: "The invitation.", prefix: "inv")
    package static let group = PathParameter(name: "group", summary: "The group.", prefix: "group")
    package static let binding = PathParameter(name: "binding", summary: "The binding.", prefix: "bind")
    package static let role = PathParameter(name: "role", summary: "The role.", prefix: "role")
    package static let serviceAccount = PathParameter(
        name: "service_account", summary: "The service account.", prefix: "sa")
    package static let managementToken = PathParameter(name: "token", summary: "The token.", prefix: "mtok")
    package static let provider = PathParameter(name: "provider", summary: "The provider.", prefix: "prov")
    package static let credential = PathParameter(
        name: "credential", summary: "The credential.", prefix: "cred")
    package static let model = PathParameter(name: "model", summary: "The model.", prefix: "model")
    package static let price = PathParameter(name: "price", summary: "The price.", prefix: "price")
    package static let route = PathParameter(name: "route", summary: "The route.", prefix: "route")
    package static let key = PathParameter(name: "key", summary: "The key.", prefix: "key")
    package static let limit = PathParameter(name: "limit", summary: "The limit.", prefix: "limit")
    package static let alertRule = PathParameter(
        name: "alert_rule", summary: "The alert rule.", prefix: "rule")
    package static let alertChannel = PathParameter(
        name: "alert_channel", summary: "The alert channel.", prefix: "channel")
    package static let alert = PathParameter(name: "alert", summary: "The alert.", prefix: "alert")
    package static let alertDelivery = PathParameter(
        name: "alert_delivery", summary: "The message about an alert.", prefix: "delivery")
    package static let reportSchedule = PathParameter(
        name: "report_schedule", summary: "The report that is sent by itself.", prefix: "report")
    package static let guardrail = PathParameter(
        name: "guardrail", summary: "The guardrail.", prefix: "guard")
    package static let usageEvent = PathParameter(
        name: "usage_event", summary: "The call, by its usage event.", prefix: "use")
    package static let node = PathParameter(name: "node", summary: "The node.", prefix: "node")
    package static let joinToken = PathParameter(
        name: "join_token", summary: "The join token.", prefix: "join")
    package static let ledgerTransaction = PathParameter(
        name: "ledger_transaction", summary: "The ledger's transaction.", prefix: "ltx")
    package static let rerating = PathParameter(
        name: "rerating", summary: "The re-rating.", prefix: "rerate")
    package static let reconciliation = PathParameter(
        name: "reconciliation", summary: "The reconciliation.", prefix: "recon")
    package static let ledgerProof = PathParameter(
        name: "ledger_proof", summary: "The proof.", prefix: "proof")
    package static let invoice = PathParameter(name: "invoice", summary: "The invoice.", prefix: "invoice")
    package static let backup = PathParameter(name: "backup", summary: "The backup.", prefix: "backup")
    package static let auditEvent = PathParameter(
        name: "audit_event", summary: "The audit event.", prefix: "audit")
    package static let snapshot = PathParameter(
        name: "snapshot", summary: "The version of a snapshot, such as 1.42.", prefix: "snapshot",
        pattern: "^[0-9]+\\.[0-9]+$")
    package static let change = PathParameter(
        name: "change", summary: "A change token, as the answer to a write carries it.", prefix: "change")

    package static let scimSchema = PathParameter(
        name: "schema", summary: "The URN of a schema.", prefix: "urn", pattern: "^urn:[0-9A-Za-z:.]+$")
    package static let resourceType = PathParameter(
        name: "resource_type", summary: "User or Group.", prefix: "type", pattern: "^(User|Group)$")

    package static let all = [
        tenant, workspace, user, session, invitation, identityProvider, group, binding, role, serviceAccount,
        managementToken, provider, credential, model, price, route, key, limit, guardrail, alertRule,
        alertChannel, alert, alertDelivery, reportSchedule, usageEvent, node, joinToken, auditEvent, backup,
        ledgerTransaction, invoice, rerating, reconciliation, ledgerProof, snapshot, change, scimSchema,
        resourceType,
    ]

    static func named(_ name: String) -> PathParameter? { all.first { $0.name == name } }
}
