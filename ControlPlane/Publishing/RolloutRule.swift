import Contract
import Domain
import Store

/// Who gets a change of settings when, and when it goes on or stops. Pure.
///
/// One node first (those whose name begins with `canary`, if there are any), then a tenth, then all. Nodes go
/// in an order that their ids fix, so that every replica, also after a restart, chooses the same.
enum RolloutRule {
    enum Verdict: Equatable {
        case stay
        case proceed(Rollout.Stage)
        case stop(reason: String)
    }

    private static let canaryPrefix = "canary"

    /// Who is told the live snapshot in a stage.
    static func members(of stage: Rollout.Stage, among nodes: [RolloutStore.Member]) -> Set<NodeID> {
        let order = nodes.sorted { (mixed($0.id), $0.id) < (mixed($1.id), $1.id) }
        let named = order.filter { $0.name.hasPrefix(canaryPrefix) }
        let canaries = named.isEmpty ? Array(order.prefix(1)) : named
        switch stage {
        case .done: return Set(nodes.map(\.id))
        case .stopped, .frozen: return []
        case .canary: return Set(canaries.map(\.id))
        case .tenth:
            let tenth = order.prefix((nodes.count + 9) / 10)
            return Set(canaries.map(\.id)).union(tenth.map(\.id))
        }
    }

    private static func mixed(_ id: NodeID) -> UInt64 { ShardLayout.mixed(id.high, id.low) }

    /// What to do now. A stage goes on when all its nodes run the change and it has lasted `bakeSeconds`.
    static func judge(
        _ rollout: Rollout, epoch: UInt32, among nodes: [RolloutStore.Member], at now: Timestamp,
        bakeSeconds: Double
    ) -> Verdict {
        guard rollout.stage == .canary || rollout.stage == .tenth, let counter = rollout.candidate else {
            return .stay
        }
        let candidate = SnapshotVersion(epoch: epoch, counter: counter)
        let members = members(of: rollout.stage, among: nodes)
        let told = nodes.filter { members.contains($0.id) }
        if let node = told.first(where: { $0.rejected.map { $0 >= candidate } ?? false }) {
            return .stop(reason: "\(node.name) refused it: \(node.rejection ?? "no reason")")
        }
        let allRun = told.allSatisfy { $0.running.map { $0 >= candidate } ?? false }
        let lasted = Double(now.microseconds(since: rollout.since ?? now)) / 1_000_000
        // Nobody else is there to be spared.
        if allRun, nodes.count == told.count { return .proceed(.done) }
        guard allRun, lasted >= bakeSeconds else { return .stay }
        return .proceed(rollout.stage == .canary ? .tenth : .done)
    }
}
