import Cryptography
import Domain
import PostgresDriver
import Store
import TestSupport
import Testing

@testable import Operations

@Suite("Values of operations")
struct ValueTests {
    @Test("a change token has one spelling")
    func changeToken() {
        let token = ChangeToken(transaction: 0xAB_CDEF)
        #expect(token.description == "change_0000000000abcdef")
        #expect(ChangeToken(token.description) == token)
        for text in [
            "change_0000000000ABCDEF", "change_abcdef", "0000000000abcdef", "change_00000000000abcdef", "",
        ] {
            #expect(ChangeToken(text) == nil, "\(text)")
        }
    }

    @Test("a page has 1 to 200 things")
    func pages() {
        #expect(PageRequest(limit: 0).limit == 1)
        #expect(PageRequest(limit: 1000).limit == 200)
        #expect(PageRequest().limit == 50)
        let id = KeyID(at: FakeClock().now)
        let cursor = PageCursor(id)
        #expect(PageCursor(text: cursor.text(of: "keys.list"), of: "keys.list") == cursor)
        #expect(PageCursor(text: cursor.text(of: "keys.list"), of: "routes.list") == nil)
        #expect(PageCursor(text: cursor.text(of: ""), of: "") == cursor)
        #expect(cursor.id() == id)
        #expect(PageCursor(text: "short", of: "keys.list") == nil)
        #expect(PageCursor(text: "", of: "keys.list") == nil)
    }

    @Test("an access token of another key, kind or time is refused")
    func accessTokens() throws {
        let key = Ed25519PrivateKey(), now = FakeClock().now
        let tokens = AccessTokens(signingKeyID: "1", signing: key, accepted: ["1": key.publicKey])
        let user = UserID(at: now), session = SessionID(at: now)
        let token = tokens.issue(user: user, session: session, now: now)
        #expect(try tokens.verify(token, now: now).user == user)
        // A clock that goes back, or another control plane's that is behind, signs nobody out.
        #expect(try tokens.verify(token, now: now.advanced(bySeconds: -3_600)).user == user)
        let stranger = AccessTokens(signingKeyID: "1", signing: Ed25519PrivateKey(), accepted: [:])
        let forged = stranger.issue(user: user, session: session, now: now)
        // Signed by the right key, as another kind of token.
        let otherKind = JSONWebTokenSigner(
            keyID: "1", privateKey: key, issuer: "eclusa", audience: "eclusa-admin-api", type: "refresh+jwt"
        ).token(
            JSONWebTokenClaims(
                subject: user.description, tokenID: "x", issuedAt: 0, notBefore: 0,
                expires: now.microseconds / 1_000_000 + 60))
        let noSession = JSONWebTokenSigner(
            keyID: "1", privateKey: key, issuer: "eclusa", audience: "eclusa-admin-api", type: "access+jwt"
        ).token(
            JSONWebTokenClaims(
                subject: user.description, tokenID: "x", issuedAt: 0, notBefore: 0,
                expires: now.microseconds / 1_000_000 + 60))
        for bad in [forged, otherKind, noSession, "", token + "x"] {
            #expect(throws: OperationError.self) { try tokens.verify(bad, now: now) }
        }
        do throws(OperationError) {
            _ = try tokens.verify(token, now: now.advanced(bySeconds: AccessTokens.lifetimeSeconds))
            Issue.record("an expired token was taken")
        } catch {
            #expect(error.code == .tokenExpired)
        }
    }

    @Test("what a violated constraint means is said at the field; what nobody can repair is our fault")
    func constraints() {
        func error(_ constraint: String) -> OperationError {
            OperationError(
                PostgresError(.refused, sqlState: "23505", constraint: constraint, privateDetail: "secret"))
        }
        #expect(error(Constraint.tenantSlugIsUnique).problems.map(\.pointer) == ["/slug"])
        #expect(error(Constraint.workspaceHasKeys).code == .invalidRequest)
        let unknown = error("something_else")
        #expect(unknown.code == .internalError)
        #expect(unknown.detail == nil && unknown.privateDetail.contains("secret"))
    }

    @Test(
        "what the database says is told apart",
        arguments: [
            (PostgresError(.unavailable, privateDetail: ""), ErrorCode.unavailable),
            (PostgresError(.timedOut, privateDetail: ""), .deadlineExceeded),
            (PostgresError(.cancelled, privateDetail: ""), .deadlineExceeded),
            (PostgresError(.refused, sqlState: "40001", privateDetail: ""), .overloaded),
            (PostgresError(.decoding, privateDetail: ""), .internalError),
            (PostgresError(.misuse, privateDetail: ""), .internalError),
        ])
    func kinds(_ error: PostgresError, _ code: ErrorCode) {
        #expect(OperationError(error).code == code)
        #expect((OperationError(error).retryAfterSeconds != nil) == (code != .internalError))
    }

    @Test("texts are cut between characters")
    func shortening() {
        #expect(shortened("abc", 3) == "abc")
        #expect(shortened("aéé", 4) == "aé")
        #expect(shortened("👩‍👩‍👧‍👦x", 5) == "")
    }
}

@Suite("Callers")
struct CallerTests {
    private let now = FakeClock().now

    private func caller(_ role: Role, _ scope: Scope) -> Caller {
        Caller(
            user: UserID(at: now), session: SessionID(at: now),
            authority: Authority([.init(role: role, scope: scope)]),
            origin: RequestOrigin(requestID: "r", address: "a"))
    }

    @Test("a permission in any workspace is enough to ask about things whose workspace is not known yet")
    func somewhere() throws {
        let tenant = TenantID(at: now), other = TenantID(at: now), workspace = WorkspaceID(at: now)
        let developer = caller(.developer, .workspace(tenant, workspace))
        try developer.demandSomewhere(.keysRevoke, in: tenant)
        #expect(throws: OperationError.self) { try developer.demandSomewhere(.keysRevoke, in: other) }
        #expect(throws: OperationError.self) { try developer.demandSomewhere(.routesCreate, in: tenant) }
        #expect(developer.may(.keysRevoke, in: .workspace(tenant, workspace)))
        #expect(!developer.may(.keysRevoke, in: .workspace(tenant, WorkspaceID(at: now))))
        #expect(!developer.may(.keysRevoke, in: .tenant(tenant)))
    }

    @Test("a platform-only permission never comes from a tenant's role")
    func platformOnly() {
        let tenant = TenantID(at: now)
        let admin = caller(.platformAdmin, .tenant(tenant))
        #expect(throws: OperationError.self) { try admin.demandSomewhere(.tenantsSuspend, in: tenant) }
        #expect(throws: OperationError.self) { try admin.demand(.nodesRead, in: .platform) }
    }
}
