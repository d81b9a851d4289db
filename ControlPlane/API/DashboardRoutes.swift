import Domain
import HTTPWire
import JSONText
import Operations

/// The way from the console into Grafana.
enum DashboardRoutes {
    static let all: [AdminRoute] = [
        .one(
            .get, "/api/v1/dashboards", .needs(.nodesRead, in: .platform), "dashboards.get",
            "Get a short-lived token with which you are a viewer at Grafana", answers: .dashboards
        ) { call throws(OperationError) in try await call.operations.dashboards.access(by: try call.caller) },
        .one(
            .get, "/.well-known/jwks.json",
            .public(reason: "public keys, for Grafana to check the tokens with."), "dashboards.keys",
            "The keys of tokens for Grafana (RFC 7517)", answers: .dashboardKeys
        ) { call throws(OperationError) in call.operations.dashboards.keys },
    ]
}

extension Representation<DashboardAccess> {
    static let dashboards = Representation(
        "Dashboards",
        [
            .init("url", .text(8...512), "Where Grafana is.") { .string($0.url) },
            .init(
                "token", .text(64...2048),
                "A JSON Web Token, in the query parameter `auth_token` of Grafana's addresses.",
                isMoving: true
            ) { .string($0.token) },
            .init("expires_at", .time, "When the token stops working.", isMoving: true) { .text($0.expires) },
        ])
}

extension Representation<[DashboardKey]> {
    private static let key = ObjectSchema(
        name: "DashboardKey",
        members: [
            MemberSchema(name: "kty", schema: .words(["OKP"]), isRequired: true, summary: "RFC 8037."),
            MemberSchema(name: "crv", schema: .words(["Ed25519"]), isRequired: true, summary: "Its curve."),
            MemberSchema(name: "use", schema: .words(["sig"]), isRequired: true, summary: "Signatures."),
            MemberSchema(name: "alg", schema: .words(["EdDSA"]), isRequired: true, summary: "RFC 8037."),
            MemberSchema(
                name: "kid", schema: .text(1...64), isRequired: true, summary: "As tokens name it."),
            MemberSchema(
                name: "x", schema: .text(43...43), isRequired: true,
                summary: "The public key, in base64url without padding."),
        ])

    static let dashboardKeys = Representation(
        "DashboardKeys",
        [
            .init("keys", .list(.object(key), maximumCount: 8), "Those in use.") { keys in
                .array(
                    keys.map { key in
                        [
                            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
                            "kid": .string(key.id), "x": .string(key.publicKey),
                        ]
                    })
            }
        ])
}
