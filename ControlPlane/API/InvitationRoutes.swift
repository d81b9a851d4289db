import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations

enum InvitationRoutes {
    private static let base = "/api/v1/tenants/{tenant}/invitations"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.invitationsRead, in: .tenant), "invitations.list", "List invitations",
            query: [InvitationBody.ofStanding], of: .invitation
        ) { call throws(OperationError) in
            try await call.operations.invitations.list(
                in: try call.tenant, standing: try call.query[InvitationBody.ofStanding], try call.page,
                by: try call.caller)
        },
        .one(
            .post, base, .needs(.invitationsCreate, in: .tenant), "invitations.create",
            "Invite somebody by e-mail", body: InvitationBody.shape, status: 201, answers: .invitation
        ) { call throws(OperationError) in
            try await call.operations.invitations.create(
                try InvitationBody.value(call.body), in: try call.tenant, by: try call.caller)
        },
        .one(
            .post, "\(base)/{invitation}/resend", .needs(.invitationsCreate, in: .tenant),
            "invitations.resend", "Send another message; the link of the first stops working",
            answers: .invitation
        ) { call throws(OperationError) in
            try await call.operations.invitations.resend(
                try call.invitation, in: try call.tenant, by: try call.caller)
        },
        .nothing(
            .delete, "\(base)/{invitation}", .needs(.invitationsDelete, in: .tenant), "invitations.revoke",
            "Take an open invitation back"
        ) { call throws(OperationError) in
            try await call.operations.invitations.revoke(
                try call.invitation, in: try call.tenant, by: try call.caller)
        },
        .one(
            .post, "/api/v1/invitations/accept",
            .public(reason: "the token of the invitation is the credential."), "invitations.accept",
            "Accept an invitation as a new user", body: AccountBody.invited, status: 201, answers: .profile
        ) { call throws(OperationError) in
            try await call.operations.invitations.accept(
                token: try call.body[AccountBody.token],
                NewAccount(
                    name: try call.body[AccountBody.name],
                    password: Secret(utf8: try call.body[AccountBody.password]),
                    locale: try call.body[AccountBody.locale]), from: call.origin)
        },
        .one(
            .post, "/api/v1/me/invitations", .signedIn(reason: "it takes the caller's own invitation."),
            "invitations.join", "Accept an invitation as the signed-in user", body: TokenBody.shape,
            answers: .profile
        ) { call throws(OperationError) in
            try await call.operations.invitations.join(
                token: try call.body[TokenBody.token], by: try call.caller)
        },
    ]
}

extension Representation<InvitationState> {
    static let invitation = Representation(
        "Invitation",
        [
            .init("id", .id(Invitation.self), "Never changes.") { .text($0.invitation.id) },
            .init("email", .text(3...254), "Who is invited.") { .string($0.invitation.email) },
            .init(
                "standing", .words(Invitation.Standing.allCases.map(\.rawValue)),
                "Whether it can be accepted now.", isMoving: true
            ) { .string($0.standing.rawValue) },
            .init(
                "roles", .list(.text(1...63), maximumCount: Invitation.roleCounts.upperBound),
                "The roles it gives."
            ) { .array($0.invitation.roles.map { .text($0) }) },
            .init(
                "workspace", .nullable(.id(Workspace.self)),
                "The only workspace the roles hold in; null: all."
            ) { .optional($0.invitation.workspace) },
            .init("created_by", .id(User.self), "Who invited.") { .text($0.invitation.createdBy) },
            .init("created_at", .time, "When it was made.") { .text($0.invitation.createdAt) },
            .init("sent_at", .time, "When the newest message was queued.") {
                .text($0.invitation.sentAt)
            },
            .init("expires_at", .time, "When the link stops working.") { .text($0.invitation.expires) },
            .init("accepted_at", .nullable(.time), "When it was accepted.") {
                .optional($0.invitation.acceptedAt)
            },
            .init("accepted_by", .nullable(.id(User.self)), "Who came in by it.") {
                .optional($0.invitation.acceptedBy)
            },
        ])
}

/// The body that invites somebody.
enum InvitationBody {
    static let roles = Field<[RoleReference]>.required(
        "roles", .list(of: .role, Invitation.roleCounts),
        "Roles in the tenant: names of built-in ones, or IDs of its own. Nobody "
            + "offers a role with permissions they lack."
    )
    static let workspace = Field<WorkspaceID?>.optional(
        "workspace", .id(), "The only workspace of the tenant where the roles hold.")
    static let shape = BodyShape("NewInvitation", [UserBody.email, roles, workspace])

    static let ofStanding = Field<Invitation.Standing?>.optional(
        "standing", .word(), "Only invitations that stand so now.")

    static func value(_ body: BodyValues) throws(OperationError) -> NewInvitation {
        NewInvitation(
            email: try body[UserBody.email], roles: try body[roles], workspace: try body[workspace])
    }
}

/// A link's token, and what whoever follows it adds.
enum AccountBody {
    static let token = Field<String>.required(
        "token", .secretText(1...200), "As the link in the message carries it; it counts once.")
    static let name = Field<String>.required("name", .text(.displayName, example: "Ana"), "Name for people.")
    static let password = Field<String>.required(
        "password", .secretText(1...1024, format: "password"), "The password from now on.")
    static let locale = Field<Language>.defaulted(
        "locale", .word(), to: .english, "The language of messages.")
    static let invited = BodyShape("InvitationAcceptance", [token, name, password, locale])
    static let signUp = BodyShape("NewSignUp", [UserBody.email, name, locale])
    static let chosen = BodyShape("PasswordChoice", [token, password])
}

/// A link's token alone.
enum TokenBody {
    static let token = AccountBody.token
    static let shape = BodyShape("LinkToken", [token])
}
