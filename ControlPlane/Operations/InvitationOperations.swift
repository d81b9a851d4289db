package import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// What a new invitation is made of.
package struct NewInvitation: Sendable {
    package var email: String
    package var roles: [RoleReference]
    package var workspace: WorkspaceID?

    package init(email: String, roles: [RoleReference], workspace: WorkspaceID?) {
        self.email = email
        self.roles = roles
        self.workspace = workspace
    }
}

/// An invitation and what can only be said at a moment.
package struct InvitationState: Sendable {
    package let invitation: Invitation
    package let standing: Invitation.Standing

    init(_ invitation: Invitation, at now: Timestamp) {
        self.invitation = invitation
        standing = invitation.standing(at: now)
    }
}

/// Who somebody is who comes in by a message: what they add to it.
package struct NewAccount: Sendable {
    package var name: String
    package var password: Secret
    package var locale: Language

    package init(name: String, password: Secret, locale: Language) {
        self.name = name
        self.password = password
        self.locale = locale
    }
}

/// Bringing people into a tenant by e-mail. The token is in the message alone: not even who invites sees it,
/// so whoever shows it has the mailbox.
package struct InvitationOperations {
    let environment: OperationEnvironment

    package func list(
        in tenant: TenantID, standing: Invitation.Standing? = nil, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<InvitationState> {
        let now = environment.clock.now()
        return try await environment.read(.invitationsRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(
                try await InvitationStore.list(
                    of: tenant, standing: standing.map { ($0, at: now) }, page.of(Invitation.self),
                    connection)
            ) { InvitationState($0, at: now) }
        }
    }

    /// Invites somebody. Nobody offers a role with permissions they lack.
    package func create(
        _ new: NewInvitation, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> InvitationState {
        try caller.demand(.invitationsCreate, in: .tenant(tenant))
        try check([TextRule.email.check(new.email, at: "/email")].compactMap(\.self))
        let now = environment.clock.now()
        let invitation = Invitation(
            id: InvitationID(at: now), tenant: tenant, email: new.email, roles: new.roles,
            workspace: new.workspace,
            createdBy: try caller.person.user, createdAt: now, sentAt: now,
            expires: now.advanced(bySeconds: Invitation.lifetimeSeconds))
        let token = OneTimeToken(.invitation, of: tenant)
        return try await environment.write(
            "invitations.create", .invitationsCreate, in: .tenant(tenant), by: caller
        ) { connection in
            for (index, reference) in new.roles.enumerated() {
                let pointer = "/roles/\(index)"
                let role = try await environment.role(reference, of: tenant, at: pointer, connection)
                guard mayGrant(caller.authority, role, in: invitation.scope) else {
                    throw OperationError.invalid([
                        ValidationError(
                            pointer, .notAllowed,
                            "cannot be given there: it needs another place, or permissions the caller lacks")
                    ])
                }
            }
            try await InvitationStore.create(invitation, token: token.digest, connection)
            try await send(token, for: invitation, connection)
            return Recorded(InvitationState(invitation, at: now), Self.subject(invitation))
        }.value
    }

    /// Sends another message with another token; the first is worth nothing then.
    package func resend(
        _ id: InvitationID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> InvitationState {
        let now = environment.clock.now()
        let token = OneTimeToken(.invitation, of: tenant)
        return try await environment.write(
            "invitations.resend", .invitationsCreate, in: .tenant(tenant), by: caller
        ) { connection in
            let renewed = try found(
                try await InvitationStore.renew(
                    id, of: tenant, token: token.digest, sentAt: now,
                    expires: now.advanced(bySeconds: Invitation.lifetimeSeconds), connection))
            try await send(token, for: renewed, connection)
            return Recorded(InvitationState(renewed, at: now), Self.subject(renewed))
        }.value
    }

    /// Takes an open invitation back.
    package func revoke(
        _ id: InvitationID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) {
        _ = try await environment.write(
            "invitations.revoke", .invitationsDelete, in: .tenant(tenant), by: caller
        ) { connection in
            let invitation = try found(try await InvitationStore.find(id, of: tenant, connection))
            guard try await InvitationStore.delete(id, of: tenant, connection) else {
                throw OperationError.notFound
            }
            return Recorded(id, Self.subject(invitation))
        }
    }

    private func send(
        _ token: OneTimeToken, for invitation: Invitation, _ connection: PostgresConnection
    ) async throws {
        let tenant = try found(try await TenantStore.find(invitation.tenant, connection))
        let known = try await UserStore.find(email: invitation.email, connection)
        let (subject, text) = environment.texts(known?.locale ?? .english).invitation(to: tenant.name, token)
        try await environment.queue(
            MailDraft(
                kind: .invitation, recipient: invitation.email, subject: subject, text: text,
                giveUpAt: invitation.expires), connection)
    }

    // MARK: Accepting

    /// Comes in as a new user, whose mailbox is proven by the token. `conflict` when there is a user of this
    /// address: they sign in and `join`.
    package func accept(
        token text: String, _ account: NewAccount, from origin: RequestOrigin
    ) async throws(OperationError) -> Profile {
        let (invitation, token) = try await open(text)
        try check(User.problems(email: invitation.email, name: account.name))
        try check(
            [environment.passwords.problem(account.password, email: invitation.email, at: "/password")]
                .compactMap(\.self))
        let hash = try await environment.hash(account.password)
        let now = environment.clock.now()
        let user = User(
            id: UserID(at: now), email: invitation.email, name: account.name, locale: account.locale,
            emailVerifiedAt: now, createdAt: now, updatedAt: now)
        let actor = AuditActor(user: user.id, origin: origin)
        let inviter = try await inviter(of: invitation)
        _ = try await environment.write("invitations.accept", in: .tenant(invitation.tenant), by: actor) {
            connection in
            if try await UserStore.find(email: invitation.email, connection) != nil {
                throw OperationError(
                    .conflict, detail: "There is an account of this address: sign in to accept.")
            }
            try await UserStore.create(user, passwordHash: hash.text, connection)
            try await take(invitation, token, for: user.id, inviter, connection)
            return Recorded(user.id, Self.subject(invitation))
        }
        return try await profile(of: user.id)
    }

    /// Comes in as the signed-in user, who must be the invited one.
    package func join(token text: String, by caller: Caller) async throws(OperationError) -> Profile {
        let (invitation, token) = try await open(text)
        let scope = Scope.tenant(invitation.tenant)
        let inviter = try await inviter(of: invitation)
        _ = try await environment.write("invitations.accept", in: scope, by: AuditActor(caller)) {
            connection in
            let user = try found(try await UserStore.find(caller.ownAccount.user, connection))
            guard user.email.lowercased() == invitation.email.lowercased() else {
                throw OperationError(.linkInvalid)
            }
            try await take(invitation, token, for: user.id, inviter, connection)
            _ = try await UserStore.verifyEmail(
                user.email, of: user.id, at: environment.clock.now(), connection)
            return Recorded(user.id, Self.subject(invitation))
        }
        return try await profile(of: caller.person.user)
    }

    private func open(_ text: String) async throws(OperationError) -> (Invitation, SHA256Digest) {
        let token = sha256(text)
        let now = environment.clock.now()
        // Somebody with a link to a tenant that is gone learns no more than anybody with a wrong link.
        guard let tenant = OneTimeToken.tenant(of: text, .invitation) else {
            throw OperationError(.linkInvalid)
        }
        let found: Invitation?
        do throws(OperationError) {
            found = try await environment.view(of: tenant) { connection in
                try await InvitationStore.find(token: token, of: tenant, connection)
            }
        } catch {
            throw error.code == .notFound ? OperationError(.linkInvalid) : error
        }
        guard let found, found.acceptedAt == nil, found.expires > now else {
            throw OperationError(.linkInvalid)
        }
        return (found, token)
    }

    /// What who invited may do at this moment, everywhere.
    private func inviter(of invitation: Invitation) async throws(OperationError) -> Authority {
        try await environment.viewAcrossTenants { connection in
            try await BindingStore.authority(of: invitation.createdBy, connection)
        }
    }

    private func profile(of user: UserID) async throws(OperationError) -> Profile {
        try await environment.viewAcrossTenants { connection in
            try await UserOperations.profile(user, connection)
        }
    }

    /// Uses the invitation up and gives its roles, if who invited may still give them.
    private func take(
        _ invitation: Invitation, _ token: SHA256Digest, for user: UserID, _ inviter: Authority,
        _ connection: PostgresConnection
    ) async throws {
        let now = environment.clock.now()
        let isFirst = try await InvitationStore.accept(
            invitation.id, of: invitation.tenant, token: token, by: user, at: now, connection)
        guard isFirst else { throw OperationError(.linkInvalid) }
        let had = try await BindingStore.list(of: user, connection)
        for reference in invitation.roles {
            guard let role = try await role(reference, of: invitation.tenant, connection),
                mayGrant(inviter, role, in: invitation.scope)
            else { throw OperationError(.linkInvalid) }
            if had.contains(where: { $0.role == reference && $0.scope == invitation.scope }) { continue }
            try await BindingStore.create(
                Binding(
                    id: BindingID(at: now), principal: .user(user), role: reference,
                    scope: invitation.scope,
                    createdBy: invitation.createdBy, createdAt: now), connection)
        }
    }

    /// nil: a role that was deleted meanwhile.
    private func role(
        _ reference: RoleReference, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws -> Role? {
        switch reference {
        case .builtIn(let name): Role.builtIn(named: name)
        case .custom(let id): try await RoleStore.find(id, of: tenant, connection)?.role
        }
    }

    private static func subject(_ invitation: Invitation) -> AuditSubject {
        AuditSubject(
            "invitation", invitation.id,
            [
                "email": .string(invitation.email),
                "roles": .array(invitation.roles.map { .string($0.description) }),
            ])
    }
}
