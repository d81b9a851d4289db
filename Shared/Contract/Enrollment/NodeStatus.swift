package import Domain
import JSONText

/// What a node says about itself, every few seconds and after every change of its snapshot.
package struct NodeStatus: Hashable, Sendable {
    /// How far a snapshot came before it was refused.
    package enum Stage: String, Sendable, CaseIterable {
        case fetched, verified, checked, warm, persisted, active
    }

    /// A snapshot that was refused (NACK): the node keeps what it has.
    package struct Rejection: Hashable, Sendable {
        package let version: SnapshotVersion?
        /// The stage that failed.
        package let stage: Stage
        /// For operators; at most 500 bytes, no secrets.
        package let text: String

        package init(version: SnapshotVersion?, stage: Stage, text: String) {
            self.version = version
            self.stage = stage
            self.text = String(decoding: text.utf8.prefix(Self.maximumText), as: UTF8.self)
        }

        static let maximumText = 500
    }

    package var softwareVersion: String
    /// Random per process: two live processes with one identity are told apart by it.
    package var processNonce: String
    package var startedAt: Timestamp
    /// nil: no snapshot runs yet.
    package var running: SnapshotVersion?
    /// When the running manifest was issued: its age is the node's lag.
    package var runningIssuedAt: Timestamp?
    package var rejected: Rejection?
    package var callsInFlight: Int64
    package var outboxEvents: Int64
    package var outboxBytes: Int64
    package var isDraining: Bool

    package init(
        softwareVersion: String, processNonce: String, startedAt: Timestamp, running: SnapshotVersion? = nil,
        runningIssuedAt: Timestamp? = nil, rejected: Rejection? = nil, callsInFlight: Int64 = 0,
        outboxEvents: Int64 = 0, outboxBytes: Int64 = 0, isDraining: Bool = false
    ) {
        self.softwareVersion = softwareVersion
        self.processNonce = processNonce
        self.startedAt = startedAt
        self.running = running
        self.runningIssuedAt = runningIssuedAt
        self.rejected = rejected
        self.callsInFlight = callsInFlight
        self.outboxEvents = outboxEvents
        self.outboxBytes = outboxBytes
        self.isDraining = isDraining
    }

    /// The status of a body; lenient, so that newer nodes can say more to older control planes.
    package init(json: [UInt8]) throws(MessageError) {
        var reader = try MessageReader(json, strict: false)
        softwareVersion = reader.text("software_version", upTo: 64)
        processNonce = reader.text("process_nonce", upTo: 64)
        let startedAt = reader.parsed("started_at", upTo: 40, "an RFC 3339 time", Timestamp.init(_:))
        running = reader.optionalParsed("running", upTo: 40, "a snapshot version", SnapshotVersion.init(_:))
        runningIssuedAt = reader.optionalParsed(
            "running_issued_at", upTo: 40, "an RFC 3339 time", Timestamp.init(_:))
        let count: ClosedRange<Int64> = 0...(1 << 53)
        callsInFlight = reader.number("calls_in_flight", count)
        outboxEvents = reader.number("outbox_events", count)
        outboxBytes = reader.number("outbox_bytes", count)
        isDraining = reader.number("draining", 0...1) == 1
        if var nested = reader.object("rejected") {
            let version = nested.optionalParsed(
                "version", upTo: 40, "a snapshot version", SnapshotVersion.init(_:))
            let stage = nested.parsed("stage", upTo: 20, "a known stage", Stage.init(rawValue:))
            let text = nested.text("text", upTo: 2 * Rejection.maximumText)
            reader.adopt(nested)
            rejected = stage.map { Rejection(version: version, stage: $0, text: text) }
        } else {
            rejected = nil
        }
        try reader.finish()
        guard let startedAt else { throw MessageError([]) }
        self.startedAt = startedAt
    }

    package var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("software_version", softwareVersion)
            writer.field("process_nonce", processNonce)
            writer.field("started_at", startedAt.description)
            writer.field("running", running?.description)
            writer.field("running_issued_at", runningIssuedAt?.description)
            writer.field("calls_in_flight", callsInFlight)
            writer.field("outbox_events", outboxEvents)
            writer.field("outbox_bytes", outboxBytes)
            writer.field("draining", isDraining ? 1 : 0)
            guard let rejected else { return }
            writer.objectField("rejected") { writer in
                writer.field("version", rejected.version?.description)
                writer.field("stage", rejected.stage.rawValue)
                writer.field("text", rejected.text)
            }
        }
        return writer.bytes
    }
}
