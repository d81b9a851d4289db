import Contract
import Domain
import EventLoops
import HTTPWire
import JSONText
import Operations

/// What happens, as it happens, as server-sent events.
enum EventRoutes {
    static let all: [AdminRoute] = [
        AdminRoute(
            method: .get, path: "/api/v1/events",
            access: .signedIn(reason: "everybody gets the events they may read."), operationID: "events.list",
            summary: "Watch what happens: a stream of server-sent events",
            query: BodyShape("query", [EventParameters.tenant]), body: nil,
            answer: AnswerShape(status: 200, content: .stream(mediaTypes: [EventStream.mediaType]))
        ) { call throws(OperationError) in
            let stream = try EventStream(call, of: try call.query[EventParameters.tenant])
            try await stream.begin()
            var answer = Answer(status: 200, mediaType: EventStream.mediaType, body: [])
            answer.parts = stream.next
            return answer
        }
    ]
}

enum EventParameters {
    static let tenant = Field<TenantID?>.optional(
        "tenant", .id(), "Whose log and usage to watch; missing: the platform's log.")
}

/// The streams of events of one loop: how many there are and may be, and how often each looks for news. On
/// its loop.
package final class EventStreams {
    fileprivate let maximum: Int
    fileprivate let lookNanoseconds: Int64
    fileprivate let looksPerHeartbeat: Int
    fileprivate var open = 0

    package init(
        maximum: Int = 128, lookNanoseconds: Int64 = 1_000_000_000, looksPerHeartbeat: Int = 15
    ) {
        self.maximum = maximum
        self.lookNanoseconds = lookNanoseconds
        self.looksPerHeartbeat = looksPerHeartbeat
    }
}

/// The events of one caller: looks once a second for what is new among what the caller may read.
///
/// - `audit`: an event of the log. Its `id` is its place there; whoever reconnects with it as `Last-Event-ID`
///   gets what came after, up to 200 events; a jump in the numbers says that there were more.
/// - `limit_alert`: a threshold of a budget that was crossed since the stream began.
/// - `alert`: an alert that began or ended since the stream began.
/// - `snapshot`: the newest published version. `node`: a gateway node that changed. `usage`: the sums of the
///   current minute. They say how things are, once at the beginning and again after each change, and have no
///   `id`.
///
/// Ends when the access token does. Non-Sendable: it lives on its loop.
final class EventStream {
    static let mediaType = "text/event-stream"
    private static let auditLimit = 200
    private static let alertLimit = 50

    private let call: Call
    private let operations: Operations
    private let tenant: TenantID?
    private let streams: EventStreams
    private var caller: Caller
    private var lastAudit: Int64?
    private var lastSnapshot: String?
    private var lastUsage: JSONValue?
    private var firstAlert: LimitAlertID?
    private var toldAlerts: Set<LimitAlertID> = []
    /// Which alerts held and which had ended at the last look; nil: there was none.
    private var alerts: [AlertID: Bool]?
    private var nodes: [NodeID: JSONValue] = [:]
    private var looks = 0
    private var text = ""

    init(_ call: Call, of tenant: TenantID?) throws(OperationError) {
        self.call = call
        operations = call.operations
        self.tenant = tenant
        caller = try call.caller
        streams = call.surroundings.eventStreams
        if let text = call.lastEventID { lastAudit = Int64(text) }
        streams.open += 1
    }

    deinit { streams.open -= 1 }

    /// Refuses whoever has nothing to do with the tenant, and takes the first look.
    func begin() async throws(OperationError) {
        guard streams.open <= streams.maximum else {
            throw .overloaded("\(streams.open) streams of events are open")
        }
        if let tenant { _ = try await operations.tenants.get(tenant, by: caller) }
        text = "retry: 2000\n\n"
        try await look()
    }

    /// The next bytes; empty ones when a second went by without news; nil at the end.
    func next() async throws(OperationError) -> [UInt8]? {
        if text.isEmpty {
            guard let loop = EventLoop.current, !call.isServerEnding() else { return nil }
            await loop.sleep(nanoseconds: streams.lookNanoseconds)
            looks += 1
            if looks % streams.looksPerHeartbeat == 0 {
                guard try await renew() else { return nil }
                text = ": here\n\n"
            }
            try await look()
        }
        defer { text = "" }
        return Array(text.utf8)
    }

    /// Roles change and sessions end while somebody watches. False: this one has.
    private func renew() async throws(OperationError) -> Bool {
        do throws(OperationError) {
            caller = try await operations.sessions.authenticate(call.accessToken, from: call.origin)
            return true
        } catch {
            if error.code.status == 401 { return false }
            throw error
        }
    }

    // MARK: Looking

    private func look() async throws(OperationError) {
        try await lookForSnapshots()
        if may(.auditRead, tenant.map { .tenant($0) } ?? .platform) { try await lookForAudit() }
        if may(.nodesRead, .platform) { try await lookForNodes() }
        if let tenant, may(.usageRead, .tenant(tenant)) { try await lookForUsage(tenant) }
        if let tenant, may(.limitsRead, .tenant(tenant)) { try await lookForCrossings(tenant) }
        if may(.alertsRead, tenant.map { .tenant($0) } ?? .platform) { try await lookForAlerts() }
    }

    private func may(_ permission: Permission, _ scope: Scope) -> Bool {
        authorise(caller.authority, permission, in: scope) == .allowed
    }

    private func lookForSnapshots() async throws(OperationError) {
        guard let version = try await operations.changes.newestVersion(by: caller)?.description,
            version != lastSnapshot
        else { return }
        lastSnapshot = version
        emit("snapshot", ["version": .string(version)])
    }

    private func lookForAudit() async throws(OperationError) {
        let isFirst = lastAudit == nil
        let page = PageRequest(limit: isFirst ? 1 : Self.auditLimit)
        let newest = try await operations.auditEvents.list(of: tenant, AuditQuery(), page, by: caller).items
        let seen = lastAudit ?? newest.first?.sequence ?? 0
        lastAudit = max(seen, newest.first?.sequence ?? 0)
        for entry in newest.reversed() where entry.sequence > seen {
            emit("audit", Representation<AuditEntry>.auditEvent.json(entry), id: entry.sequence)
        }
    }

    private func lookForNodes() async throws(OperationError) {
        let page = PageRequest(limit: PageRequest.maximumLimit)
        var current: [NodeID: JSONValue] = [:]
        for node in try await operations.nodes.list(page, by: caller).items {
            let json = Representation<NodeState>.node.json(node)
            current[node.node.id] = json
            guard nodes[node.node.id].map(Self.health) != Self.health(json) else { continue }
            emit("node", json)
        }
        nodes = current
    }

    /// What of a node is news: not that it was heard from again.
    private static func health(_ node: JSONValue) -> [JSONValue?] {
        ["status", "connected", "running_version", "last_error", "software_version"].map { node[$0] }
    }

    private func lookForUsage(_ tenant: TenantID) async throws(OperationError) {
        let statement = try await operations.usage.current(in: tenant, by: caller)
        let json = Representation<UsageFigures>.usageTotals.json(statement)
        guard json != lastUsage else { return }
        lastUsage = json
        emit("usage", json)
    }

    private func lookForAlerts() async throws(OperationError) {
        let page = PageRequest(limit: Self.alertLimit)
        let newest = try await operations.alerts.list(
            of: tenant, rule: nil, isResolved: nil, page, by: caller
        ).items
        for alert in newest.reversed() where alerts != nil && alerts?[alert.id] != (alert.resolvedAt != nil) {
            emit("alert", Representation<Alert>.alert.json(alert))
        }
        alerts = Dictionary(uniqueKeysWithValues: newest.map { ($0.id, $0.resolvedAt != nil) })
    }

    private func lookForCrossings(_ tenant: TenantID) async throws(OperationError) {
        let page = PageRequest(limit: Self.alertLimit)
        let newest = try await operations.limits.alerts(of: nil, in: tenant, page, by: caller).items
        // Those of before the stream began are no news, whatever else was deleted meanwhile.
        let first = firstAlert ?? newest.first?.id ?? LimitAlertID(high: 0, low: 0)
        for alert in newest.reversed() where alert.id > first && !toldAlerts.contains(alert.id) {
            emit("limit_alert", Representation<LimitAlert>.limitAlert.json(alert))
        }
        firstAlert = first
        toldAlerts = Set(newest.map(\.id))
    }

    private func emit(_ name: String, _ data: JSONValue, id: Int64? = nil) {
        if let id { text += "id: \(id)\n" }
        text += "event: \(name)\ndata: \(data.text)\n\n"
    }
}
