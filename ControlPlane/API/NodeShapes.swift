import Contract
import Cryptography
import Domain
import JSONText
import Operations

extension Representation<NodeState> {
    static let node = Representation(
        "Node",
        [
            .init("id", .id(Node.self), "Never changes.") { .text($0.node.id) },
            .init("name", .text(1...63), "As its join token named it.") { .string($0.node.name) },
            .init("region", .text(1...63), "Where it stands.") { .string($0.node.region) },
            .init("status", .words(Node.Status.allCases.map(\.rawValue)), "Whether it may serve.") {
                .string($0.node.status.rawValue)
            },
            .init(
                "connected", .boolean, "Whether it was heard from in the last \(Node.silenceLimitSeconds) s.",
                isMoving: true
            ) {
                .boolean($0.isConnected)
            },
            .init("software_version", .text(0...64), "The release it runs.", isMoving: true) {
                .string($0.node.softwareVersion)
            },
            .init("identity_key", .text(64...64), "Its Ed25519 public key, in hexadecimal.") {
                .string(Hexadecimal.encode($0.node.identityKey))
            },
            .init("running_version", .nullable(.text(3...40)), "The snapshot it runs.", isMoving: true) {
                .optional($0.running)
            },
            .init(
                "lag_ms", .nullable(.count), "How old its snapshot was when it last reported. Milliseconds.",
                isMoving: true
            ) {
                .optional($0.lagMilliseconds)
            },
            .init("outbox_events", .nullable(.count), "Usage it has not delivered yet.", isMoving: true) {
                .optional($0.outboxEvents)
            },
            .init(
                "last_error", .nullable(.text(0...2200)), "Why it refused the newest snapshot.",
                isMoving: true
            ) {
                .optional($0.lastError)
            },
            .init("joined_at", .time, "When it was enrolled.") { .text($0.node.joinedAt) },
            .init("last_seen_at", .nullable(.time), "When it was last heard from.", isMoving: true) {
                .optional($0.node.lastSeenAt)
            },
        ])
}

extension Representation<RevokedNode> {
    static let revokedNode = Representation(
        "RevokedNode",
        [
            .init("node", Representation<NodeState>.node.schema, "The node as it is now.") {
                Representation<NodeState>.node.json($0.state)
            },
            .init(
                "exposed_providers", .list(.id(Provider.self), maximumCount: 10_000),
                "Providers whose credentials it held: give them new ones."
            ) { .array($0.exposedProviders.map { .text($0) }) },
        ])
}

extension Representation<JoinTokenState> {
    static let joinToken = Representation(
        "JoinToken",
        [
            .init("id", .id(JoinToken.self), "Never changes.") { .text($0.token.id) },
            .init("node_name", .text(1...63), "The name the node will have.") { .string($0.token.nodeName) },
            .init("region", .text(1...63), "Where the node stands.") { .string($0.token.region) },
            .init(
                "standing", .words(JoinToken.Standing.allCases.map(\.rawValue)),
                "Whether it can be used now.", isMoving: true
            ) {
                .string($0.standing.rawValue)
            },
            .init("created_by", .nullable(.id(User.self)), "Who made it.") { .optional($0.token.createdBy) },
            .init("created_at", .time, "When it was made.") { .text($0.token.createdAt) },
            .init("expires_at", .time, "When it stops working.") { .text($0.token.expires) },
            .init("used_at", .nullable(.time), "When a node joined with it.") { .optional($0.token.usedAt) },
            .init("used_by", .nullable(.id(Node.self)), "The node that joined with it.") {
                .optional($0.token.usedBy)
            },
        ])
}

extension Representation<IssuedJoinToken> {
    /// The one answer that shows a join token, inside the bundle a new node needs.
    static let issuedJoinToken = Representation(
        "IssuedJoinToken",
        [
            .init("join_token", Representation<JoinTokenState>.joinToken.schema, "The token.") {
                Representation<JoinTokenState>.joinToken.json($0.state)
            },
            .init("bundle", .shownOnce(1...16_384), "What the new node is started with. Shown this once.") {
                .string($0.bundle.reveal())
            },
        ])
}

/// The body that makes a join token.
enum JoinTokenBody {
    static let ofStanding = Field<JoinToken.Standing?>.optional(
        "standing", .word(), "Only tokens that stand so now.")
    static let nodeName = Field<String>.required(
        "node_name", .text(.slug, example: "gateway-1"), "The name the node will have.")
    static let region = Field<String>.defaulted(
        "region", .text(.slug), to: "default", "Where the node stands.")
    static let lifetime = Field<Int64>.defaulted(
        "expires_in", .integer(JoinToken.lifetimesSeconds), to: JoinToken.defaultLifetimeSeconds,
        "How long it can be used. Seconds.")
    static let shape = BodyShape("NewJoinToken", [nodeName, region, lifetime])
}

/// The filters of the list of nodes.
enum NodeQuery {
    private static let status = Field<Node.Status?>.optional(
        "status", .word(), "Only nodes of this status.")
    private static let region = Field<String?>.optional(
        "region", .text(.slug), "Only nodes that stand there.")
    static let connected = Field<Bool?>.optional(
        "connected", .flag,
        "Only nodes heard from in the last \(Node.silenceLimitSeconds) s; false: the others.")
    static let fields: [any AnyField] = [status, region, connected, Paging.namePrefix]

    static func value(_ query: BodyValues) throws(OperationError) -> NodeFilter {
        NodeFilter(status: try query[status], region: try query[region])
    }
}
