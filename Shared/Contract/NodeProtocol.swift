/// Paths and media types between a node and its control plane.
package enum NodeProtocol {
    package static let joinPath = "/node/v1/join"
    package static let renewPath = "/node/v1/renew"
    /// A long-lived answer: `StreamFrame`s, one on every change and one every heartbeat.
    package static let streamPath = "/node/v1/stream"
    /// Followed by the 64 hexadecimal digits of an address; immutable, may be cached by anything.
    package static let objectsPath = "/node/v1/objects/"
    package static let usagePath = "/node/v1/usage"
    package static let statusPath = "/node/v1/status"
    /// A `GrantRequest`, answered by a `GrantAnswer`: see `GrantExchange`.
    package static let grantsPath = "/node/v1/grants"
    /// A `CallContentBatch`; answered without a body.
    package static let contentsPath = "/node/v1/contents"

    package static let streamType = "application/vnd.eclusa.stream.v1"
    package static let objectType = "application/vnd.eclusa.object.v1"
    package static let usageType = UsageBatch.mediaType
    package static let contentsType = "application/vnd.eclusa.contents.v1"
    package static let answerType = "application/vnd.eclusa.answer.v1"

    /// Between two frames on an idle stream.
    package static let heartbeatSeconds: Int64 = 10
    /// A stream without a frame for this long is dead: reconnect.
    package static let silenceSeconds: Int64 = 35
}
