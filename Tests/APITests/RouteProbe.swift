import API
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

/// One route and the requests that try it.
struct RouteProbe {
    let route: AdminRoute
    let world: World
    private var server: AdminServer { world.server }

    init(_ route: AdminRoute, _ world: World) {
        self.route = route
        self.world = world
    }

    // MARK: Callers

    func isOpen() async throws {
        let reply = try await send(token: nil)
        #expect(![401, 403, 404].contains(reply.status) || route.operationID.hasPrefix("sessions."))
    }

    func needsSignIn() async throws {
        let garbage = [
            nil, "garbage", "a.b.c", String(repeating: "x", count: 9000),
            // Signed by another installation.
            AccessTokens(signingKeyID: "x", signing: Ed25519PrivateKey(), accepted: [:])
                .issue(
                    user: UserID(at: server.clock.now), session: SessionID(at: server.clock.now),
                    now: server.clock.now),
        ]
        for token in garbage {
            let reply = try await send(token: token)
            expect(reply, 401, "unauthenticated", "token \(token?.prefix(12) ?? "none")")
            #expect(reply.fields["www-authenticate"]?.hasPrefix("Bearer") == true)
        }
    }

    /// Another tenant's things are not there; the platform's are, but not for its members.
    func isHidden(from stranger: String, _ place: Access.Place) async throws {
        let reply = try await send(token: stranger)
        guard place != .platform else { return expect(reply, 403, "forbidden", "a stranger") }
        expect(reply, 404, "not_found", "a stranger")
        // Word for word what a tenant that does not exist answers, but for the request's id.
        var missing = try await path()
        missing = missing.replacing(world.acme.tenant, with: TenantID(at: server.clock.now).description)
        let nothing = try await send(token: stranger, path: missing)
        #expect(Self.withoutRequestID(reply) == Self.withoutRequestID(nothing), "\(route.operationID)")
    }

    /// What such a caller sends besides the path changes nothing about the answer.
    func refusesFirst(_ token: String) async throws {
        let path = try await path()
        let reply = try await send(token: token, path: path)
        #expect([403, 404].contains(reply.status), "\(route.operationID): \(reply.text)")
        let bodies: [(HeaderFields, String)] = [
            (["content-type": "application/json"], "{"),
            (["content-type": "application/json"], #"{"nonsense": 1}"#),
            (["content-type": "text/plain"], "x"),
        ]
        for (fields, body) in bodies {
            var fields = fields
            fields.append("authorization", "Bearer \(token)")
            let other = try await server.sendRaw(route.method, path, fields: fields, body: Array(body.utf8))
            #expect(
                Self.withoutRequestID(other) == Self.withoutRequestID(reply), "\(route.operationID): \(body)")
        }
        for query in ["nonsense=1", "dry_run=perhaps"] {
            let other = try await send(token: token, path: "\(path)?\(query)")
            #expect(
                Self.withoutRequestID(other) == Self.withoutRequestID(reply), "\(route.operationID): \(query)"
            )
        }
    }

    /// Malformed and unknown ids are not found, whoever asks.
    func refusesWrongIDs() async throws {
        for parameter in route.pathParameters where parameter != .change {
            let unknown = "\(parameter.prefix)_\(KeyID(at: server.clock.now).description.dropFirst(4))"
            for wrong in ["nonsense", "\(parameter.prefix)_", "\(unknown)0", unknown.uppercased(), unknown] {
                let reply = try await send(token: world.admin, path: try await path([parameter: wrong]))
                expect(reply, 404, "not_found", "\(parameter.name)=\(wrong)")
            }
        }
    }

    /// A role that has the permission there is served; one that lacks it is forbidden.
    func decides(_ permission: Permission, _ place: Access.Place, _ role: Role) async throws {
        let token = try #require(world.tokens[role.name])
        // Deleting needs a tenant to lose, in which the same users have the same roles.
        let path =
            route.operationID == "tenants.delete"
            ? "/api/v1/tenants/\(try await world.doomed())" : try await path()
        let scope = role.isPlatformRole ? Scope.platform : .tenant(try #require(TenantID(world.acme.tenant)))
        let asked: Scope = place == .platform ? .platform : .tenant(try #require(TenantID(world.acme.tenant)))
        let authority = Authority([.init(role: role, scope: scope)])
        let reply = try await send(token: token, path: path)
        if authorise(authority, permission, in: asked) == .allowed {
            #expect(
                reply.status == route.answer.status, "\(route.operationID) as \(role.name): \(reply.text)")
        } else {
            expect(reply, 403, "forbidden", role.name)
            #expect(reply.string("detail").contains(permission.rawValue))
        }
    }

    // MARK: Requests

    private func expect(_ reply: Reply, _ status: Int, _ code: String, _ who: String) {
        #expect(reply.status == status, "\(route.operationID) as \(who): \(reply.text)")
        #expect(reply.code == code, "\(route.operationID) as \(who): \(reply.text)")
    }

    private static func withoutRequestID(_ reply: Reply) -> JSONValue {
        guard var object = reply.json.object else { return reply.json }
        object["request_id"] = nil
        return .object(object)
    }

    func send(token: String?, path: String? = nil) async throws -> Reply {
        let body = try await body()
        let target = if let path { path } else { try await self.path() }
        return try await server.send(route.method, target, token: token, body: body)
    }

    /// The route's path with ids of things that are there; those that a request uses up are made for it.
    func path(_ wrong: [PathParameter: String] = [:]) async throws -> String {
        if ["NewMember", "NewRoleBinding"].contains(route.body?.name) { try await world.stock() }
        var path = route.path
        for parameter in route.pathParameters {
            let id = if let wrong = wrong[parameter] { wrong } else { try await id(of: parameter) }
            path = path.replacing("{\(parameter.name)}", with: id)
        }
        return path
    }

    private func scimID(of parameter: PathParameter) async throws -> String {
        switch parameter {
        case .group: try await world.scimGroup()
        case .user: try await world.scimUser()
        case .resourceType: "User"
        case .scimSchema: "urn:ietf:params:scim:schemas:core:2.0:User"
        default: world.acme.tenant
        }
    }

    private func scimBody(_ shape: BodyShape) -> JSONValue {
        switch shape.name {
        case "SCIMUserDocument": ["userName": .string("\(world.fresh("s"))@example.com")]
        case "SCIMGroupDocument": ["displayName": .string(world.fresh("group"))]
        default: ["Operations": [["op": "replace", "path": "externalId", "value": "x"]]]
        }
    }

    private func id(of parameter: PathParameter) async throws -> String {
        if route.form == .scim { return try await scimID(of: parameter) }
        let isShared = !route.path.contains("{tenant}")
        switch parameter {
        case .tenant:
            return route.operationID == "tenants.delete" ? try await world.doomed() : world.acme.tenant
        case .workspace:
            return route.operationID == "workspaces.delete"
                ? try await world.spareWorkspace() : world.acme.workspace
        case .group:
            return route.operationID == "groups.delete" ? try await world.group() : world.acme.group
        case .role: return try await world.role()
        case .binding:
            return try await world.binding(isShared ? nil : TenantID(world.acme.tenant))
        case .serviceAccount where isShared:
            return try await world.platformServiceAccount(isSpare: route.operationID.hasSuffix(".delete"))
        case .serviceAccount:
            return route.operationID == "service-accounts.delete"
                ? try await world.serviceAccount() : world.acme.serviceAccount
        case .managementToken where isShared: return try await world.platformManagementToken()
        case .managementToken: return try await world.managementToken()
        case .provider:
            if route.operationID.hasSuffix("providers.delete") { return try await provider(isShared) }
            return isShared ? world.shared.provider : world.acme.provider
        case .credential:
            // The path names the provider before: a world's worth of probes would fill it.
            let base =
                isShared
                ? "/api/v1/providers/\(world.shared.provider)"
                : "/api/v1/tenants/\(world.acme.tenant)/providers/\(world.acme.provider)"
            if let known = world.credentials[base], !route.operationID.hasSuffix("delete") { return known }
            let made = try await world.make(
                "\(base)/credentials", ["credential": "sk-matrix-0123456789abcd"])
            if !route.operationID.hasSuffix("delete") { world.credentials[base] = made }
            return made
        case .model:
            if route.operationID.hasSuffix("models.delete") { return try await model(isShared) }
            return isShared ? world.shared.model : world.acme.model
        case .price: return try await price(isShared)
        case .route: return try await spareRoute()
        case .key:
            return route.operationID == "keys.revoke" ? try await world.key(world.acme) : world.acme.key
        case .limit:
            return route.operationID == "limits.delete"
                ? try await world.limit() : try await world.keptLimit()
        case .reportSchedule:
            let base = "/api/v1/tenants/\(world.acme.tenant)/report-schedules"
            if let known = world.shareable[base], route.operationID != "report-schedules.delete" {
                return known
            }
            let report = try await world.make(base, World.report(world.fresh("report")))
            if route.operationID != "report-schedules.delete" { world.shareable[base] = report }
            return report
        case .alertRule, .alertChannel, .alert, .alertDelivery: return try await alertID(of: parameter)
        case .node: return try await world.node()
        case .joinToken:
            return try await world.make(
                "/api/v1/join-tokens", ["node_name": .string(world.fresh("node"))], id: "join_token", "id")
        case .user where route.path.contains("/members/"): return try await world.member()
        case .user:
            return try await world.make(
                "/api/v1/users",
                [
                    "email": .string("\(world.fresh("u"))@example.com"), "name": "U",
                    "password": "a long enough password",
                ], id: "user", "id")
        default: return try await rareID(of: parameter)
        }
    }

    /// Things of alerts, made for the request.
    private func alertID(of parameter: PathParameter) async throws -> String {
        let isShared = !route.path.contains("{tenant}")
        let base = isShared ? "/api/v1" : "/api/v1/tenants/\(world.acme.tenant)"
        func made(_ noun: String, _ body: JSONValue, id: String...) async throws -> String {
            let isUsedUp = route.operationID.hasSuffix("\(noun).delete")
            if !isUsedUp, let known = world.shareable["\(base)/\(noun)"] { return known }
            let reply = try await server.send(.post, "\(base)/\(noun)", token: world.admin, body: body)
            let thing = try #require(id.reduce(Optional(reply.json)) { $0?[$1] }?.string, "\(reply.text)")
            if !isUsedUp { world.shareable["\(base)/\(noun)"] = thing }
            return thing
        }
        func channel() async throws -> String {
            try await made("alert-channels", World.webhook(world.fresh("channel")), id: "channel", "id")
        }
        switch parameter {
        case .alertChannel: return try await channel()
        case .alertDelivery:
            let reply = try await server.send(
                .post, "\(base)/alert-channels/\(try await channel())/test", token: world.admin)
            try await server.database.pool.withConnection { connection in
                _ = try await connection.execute(
                    "update alert_deliveries set status = 'failed', finished_at = created_at")
            }
            return reply.string("id")
        default:
            let rule = try await made(
                "alert-rules", World.alertRule(world.fresh("rule"), isOfPlatform: isShared), id: "id")
            return parameter == .alertRule ? rule : try await world.alert(of: rule)
        }
    }

    private func rareID(of parameter: PathParameter) async throws -> String {
        let isShared = !route.path.contains("{tenant}")
        switch parameter {
        case .guardrail:
            return route.operationID == "guardrails.delete"
                ? try await world.guardrail() : try await world.keptGuardrail()
        case .usageEvent:
            if route.operationID == "contents.delete" { return try await world.content().description }
            if let known = world.shareable["content"] { return known }
            let made = try await world.content().description
            world.shareable["content"] = made
            return made
        case .auditEvent:
            let owner = isShared ? nil : TenantID(world.acme.tenant)
            return try #require(try await server.audit(of: owner).last).id.description
        case .backup: return try await world.make("/api/v1/backups", [:])
        case .ledgerTransaction:
            return try await world.make(
                "/api/v1/tenants/\(world.acme.tenant)/credits", ["amount": "1.00", "reason": "test"])
        case .rerating:
            return try await world.make(
                "/api/v1/tenants/\(world.acme.tenant)/reratings", try #require(billingBody("NewRerating")))
        case .ledgerProof: return try await world.make("/api/v1/ledger-proofs", [:])
        case .reconciliation:
            return try await world.make(
                "/api/v1/reconciliations", try #require(billingBody("NewReconciliation")))
        case .invoice:
            return try await world.make(
                "/api/v1/tenants/\(world.acme.tenant)/invoices", ["month": .string(world.freshMonth())])
        case .session: return try await session()
        case .identityProvider:
            let owner = isShared ? "" : "tenants/\(world.acme.tenant)/"
            return try await world.make(
                "/api/v1/\(owner)identity-providers", Self.identityProvider(world.fresh("idp")))
        case .invitation:
            return try await world.make(
                "/api/v1/tenants/\(world.acme.tenant)/invitations",
                ["email": .string("\(world.fresh("guest"))@example.com"), "roles": ["viewer"]])
        case .snapshot: return try await world.snapshot()
        case .change: return "change_0000000000000001"
        default:
            Issue.record("no id for \(parameter.name)")
            return ""
        }
    }

    /// A price that is to come when it is to be deleted, else one that has begun.
    private func price(_ isShared: Bool) async throws -> String {
        let base = isShared ? "/api/v1" : "/api/v1/tenants/\(world.acme.tenant)"
        let model = isShared ? world.shared.model : world.acme.model
        let isDeleted = route.operationID.hasSuffix("prices.delete")
        return try await world.make(
            "\(base)/models/\(model)/prices",
            isDeleted
                ? ["input": "1", "output": "1", "effective_from": "2099-01-01T00:00:00Z"]
                : ["input": "1", "output": "1"])
    }

    /// The route, or one to delete.
    private func spareRoute() async throws -> String {
        guard route.operationID == "routes.delete" else { return world.acme.route }
        return try await world.make(
            "/api/v1/tenants/\(world.acme.tenant)/routes",
            ["name": .string(world.fresh("spare")), "targets": [["model": .string(world.acme.model)]]])
    }

    /// A model that nothing needs.
    private func model(_ isShared: Bool) async throws -> String {
        let base = isShared ? "/api/v1" : "/api/v1/tenants/\(world.acme.tenant)"
        let provider = isShared ? world.shared.provider : world.acme.provider
        return try await world.make(
            "\(base)/models", ["provider": .string(provider), "name": .string(world.fresh("spare"))])
    }

    /// A provider that nothing needs.
    private func provider(_ isShared: Bool) async throws -> String {
        let base = isShared ? "/api/v1" : "/api/v1/tenants/\(world.acme.tenant)"
        return try await world.make("\(base)/providers", World.provider(world.fresh("spare")))
    }

    static func identityProvider(_ name: String) -> JSONValue {
        ["name": .string(name), "issuer": "https://idp.example.com", "client_id": "eclusa"]
    }

    /// A session of the administrator's that nobody needs.
    private func session() async throws -> String {
        let reply = try await server.send(
            .post, "/api/v1/sessions",
            body: ["email": .string(AdminServer.adminEmail), "password": .string(AdminServer.adminPassword)])
        return reply.string("session")
    }

    /// A body that is right for the route.
    private func body() async throws -> JSONValue? {
        guard let shape = route.body else { return nil }
        if route.form == .scim { return scimBody(shape) }
        switch shape.name {
        case "NewDeclaration", "NewPlatformDeclaration": return [:]
        case "NewTenant", "NewWorkspace": return ["slug": .string(world.fresh("slug")), "name": "Name"]
        case "WorkspaceChange": return ["name": "Default"]
        case "NewMember": return ["user": .string(try await world.takeUser().description)]
        case "NewGroup", "NewServiceAccount": return ["name": .string(world.fresh("name"))]
        case "GroupChange", "ServiceAccountChange", "RoleChange": return ["description": "Changed"]
        case "NewClientError": return ["message": "x is undefined"]
        case "NewRole": return ["name": .string(world.fresh("role")), "permissions": ["usage:read"]]
        case "NewRoleBinding": return ["user": .string(try await world.takeMember()), "role": "viewer"]
        case "NewManagementToken": return ["name": "terraform"]
        case "TenantChange": return ["name": "Acme"]
        case "NewProvider": return World.provider(world.fresh("provider"))
        case "ProviderChange": return ["enabled": true]
        case "NewModel":
            let provider = route.path.contains("{tenant}") ? world.acme.provider : world.shared.provider
            return ["provider": .string(provider), "name": .string(world.fresh("model"))]
        case "PriceEnd": return [:]
        case "NewPrice": return ["input": "1", "output": "2.5"]
        case "NewRoute":
            return ["name": .string(world.fresh("route")), "targets": [["model": .string(world.acme.model)]]]
        case "RouteChange": return ["enabled": true]
        case "ExplainRequest": return ["key": .string(world.acme.key), "model": "chat"]
        case "ModelChange": return ["display_name": "Model"]
        case "MarkupChange": return ["percent": "12.5"]
        case "PriceImport":
            let provider = route.path.contains("{tenant}") ? world.acme.provider : world.shared.provider
            return ["provider": .string(provider), "preview": true]
        case "NewProviderCredential": return ["credential": "sk-more-0123456789abcd"]
        case "ProviderCredentialChange": return ["weight": 7]
        case "ProviderTestRequest": return [:]
        case "KeyChange": return ["tags": ["team:red"]]
        case "KeyRotation": return [:]
        case "KeyRevocation": return ["keys": [.string(KeyID(at: server.clock.now).description)]]
        case "NewKey": return ["workspace": .string(world.acme.workspace), "name": "app"]
        case "Rollback": return ["version": .string(try await world.snapshot())]
        case "NewJoinToken": return ["node_name": .string(world.fresh("node"))]
        default:
            if let body = identityBody(shape) ?? billingBody(shape.name) { return body }
            Issue.record("no body for \(shape.name): say what a right one is")
            return [:]
        }
    }

    private func billingBody(_ name: String) -> JSONValue? {
        switch name {
        case "NewCredit": return ["amount": "1.00", "reason": "A gift"]
        case "NewAdjustment": return ["amount": "-0.50", "reason": "Put right"]
        case "NewPayment":
            return ["provider": "bank", "event": .string(world.fresh("event")), "amount": "10.00"]
        case "PaymentEvent":
            return [
                "tenant": .string(world.acme.tenant), "provider": "bank",
                "event": .string(world.fresh("event")), "amount": "10.00",
            ]
        case "BillingSettingsChange", "PlatformBillingSettingsChange": return ["name": "Acme Ltd"]
        case "BillingModeChange": return ["mode": "postpaid"]
        case "NewInvoice": return ["month": .string(world.freshMonth())]
        case "InvoiceVoid": return ["reason": "Wrong address"]
        case "NewRerating":
            return [
                "model": .string(world.acme.model), "from": "2026-03-01T00:00:00Z",
                "to": "2026-03-02T00:00:00Z",
            ]
        case "NewLedgerProof": return [:]
        case "NewReconciliation":
            return [
                "provider": .string(world.shared.provider), "from": "2026-02-01", "to": "2026-02-28",
                "rows": [["day": "2026-02-03", "model": "shared-model", "cost": "1.00"]],
            ]
        default: return nil
        }
    }

    private func identityBody(_ shape: BodyShape) -> JSONValue? {
        switch shape.name {
        case "SecondFactorCode": return ["code": "000000"]
        case "SecondStep": return ["challenge": "ech_wrong", "code": "000000"]
        case "NewSecondFactor": return ["current_password": "x"]
        case "TenantSecurityChange": return ["require_second_factor": false]
        case "NewIdentityProvider": return Self.identityProvider(world.fresh("idp"))
        case "IdentityProviderChange": return ["enabled": false]
        case "NewProviderSignIn":
            return ["provider": .string(IdentityProviderID(at: server.clock.now).description)]
        case "ProviderSignInEnd":
            return [
                "provider": .string(IdentityProviderID(at: server.clock.now).description),
                "flow": "eflow_wrong", "state": "x", "code": "x",
            ]
        case "UserChange": return ["name": "Name"]
        case "SessionEnd": return [:]
        case "NewInvitation":
            return ["email": .string("\(world.fresh("guest"))@example.com"), "roles": ["viewer"]]
        case "InvitationAcceptance":
            return ["token": "einv_wrong", "name": "Guest", "password": "a long enough password"]
        case "NewSignUp":
            return ["email": .string("\(world.fresh("guest"))@example.com"), "name": "Guest"]
        case "PasswordChoice": return ["token": "eml_wrong", "password": "a long enough password"]
        case "LinkToken": return ["token": "eml_wrong"]
        case "NewPasswordReset": return ["email": "nobody@example.com"]
        case "SignUpSettingsChange": return ["open": true]
        case "NewReportSchedule": return World.report(world.fresh("report"))
        case "NewAlertChannel": return World.webhook(world.fresh("channel"))
        case "NewAlertRule":
            return World.alertRule(world.fresh("rule"), isOfPlatform: !route.path.contains("{tenant}"))
        case "AlertChannelChange", "AlertRuleChange", "ReportScheduleChange": return ["enabled": true]
        case "NewLimit":
            return [
                "name": .string(world.fresh("limit")), "metric": "cost", "amount": "5.00", "period": "month",
            ]
        case "LimitChange": return ["mode": "shadow"]
        case "NewGuardrail": return ["name": .string(world.fresh("guardrail")), "kind": "secrets"]
        case "GuardrailChange": return ["mode": "observe"]
        case "LimitWriteOff": return ["node": .string(NodeID(at: server.clock.now).description)]
        case "NewUser":
            return [
                "email": .string("\(world.fresh("user"))@example.com"), "name": "User",
                "password": "a long enough password",
            ]
        case "NewSession": return ["email": "nobody@example.com", "password": "wrong"]
        case "SessionRefresh": return ["refresh_token": "ert_wrong"]
        case "PasswordChange": return ["current_password": "x", "new_password": "a long enough password"]
        default: return nil
        }
    }
}
