package import Contract
package import Domain

/// A limit of the snapshot, ready to be asked on every call.
package final class CompiledLimit: Sendable {
    package let entry: LimitEntry
    package let terms: LimitTerms
    /// Of a limit that is parted by tag: where each matched tag counts.
    private let tagParts: [LimitPart]

    package var id: LimitID { entry.id }
    /// What refused callers are told.
    package var name: String { entry.name }

    package init(_ entry: LimitEntry) {
        self.entry = entry
        terms = LimitTerms(
            metric: entry.metric, mode: entry.mode, period: entry.period, amount: entry.amount)
        tagParts = entry.partition == .tag ? entry.match.tags.map { LimitPart(tag: $0) } : []
    }

    /// Whether calls to a route count: by its name, and by any model it may lead to.
    func matches(_ route: CompiledRoute) -> Bool {
        let match = entry.match
        guard match.routes.isEmpty || match.routes.contains(route.id) else { return false }
        return match.models.isEmpty
            || route.targets.contains { match.models.contains($0.entry.model) }
    }

    /// The accounts a call of a key counts in: one, but for a limit that is parted by tag.
    func forEachAccount<Failure: Error>(
        of key: AdmittedKey, _ body: (CompiledLimit, GrantAccount) throws(Failure) -> Void
    ) throws(Failure) {
        let match = entry.match
        let part: LimitPart
        switch entry.partition {
        case .tag:
            for (index, tag) in match.tags.enumerated() where key.has(tag: tag) {
                try body(self, GrantAccount(tenant: entry.tenant, limit: entry.id, part: tagParts[index]))
            }
            return
        case .none: part = .whole
        case .workspace: part = LimitPart(key.record.workspace)
        case .key: part = LimitPart(key.record.id)
        case .user: part = key.owner.map { LimitPart($0) } ?? .whole
        }
        guard match.tags.isEmpty || match.tags.contains(where: { key.has(tag: $0) }) else { return }
        try body(self, GrantAccount(tenant: entry.tenant, limit: entry.id, part: part))
    }
}

/// The limits of a tenant, but for those of single keys, by whom they bind.
struct TenantLimits: Sendable {
    static let none = TenantLimits([], [])

    let isEmpty: Bool
    let whole: [CompiledLimit]
    private let byWorkspace: [WorkspaceID: [CompiledLimit]]
    private let byUser: [UserID: [CompiledLimit]]
    private let byMember: [UserID: [CompiledLimit]]

    init(_ entries: [LimitEntry], _ groups: [GroupEntry]) {
        isEmpty = entries.isEmpty
        var whole: [CompiledLimit] = []
        var byWorkspace: [WorkspaceID: [CompiledLimit]] = [:]
        var byUser: [UserID: [CompiledLimit]] = [:]
        var byGroup: [GroupID: [CompiledLimit]] = [:]
        for entry in entries {
            let limit = CompiledLimit(entry)
            switch entry.subject {
            case .tenant: whole.append(limit)
            case .workspace(let id): byWorkspace[id, default: []].append(limit)
            case .group(let id): byGroup[id, default: []].append(limit)
            case .user(let id): byUser[id, default: []].append(limit)
            case .key: break
            }
        }
        var byMember: [UserID: [CompiledLimit]] = [:]
        for group in groups {
            guard let limits = byGroup[group.id] else { continue }
            for member in group.members { byMember[member, default: []] += limits }
        }
        (self.whole, self.byWorkspace, self.byUser, self.byMember) = (whole, byWorkspace, byUser, byMember)
    }

    func of(workspace: WorkspaceID) -> [CompiledLimit] {
        byWorkspace.isEmpty ? [] : byWorkspace[workspace] ?? []
    }

    func of(user: UserID) -> (asMember: [CompiledLimit], own: [CompiledLimit]) {
        (byMember.isEmpty ? [] : byMember[user] ?? [], byUser.isEmpty ? [] : byUser[user] ?? [])
    }
}

extension AdmittedKey {
    /// Whether any limit may bind the key. Most keys have none: then nothing has to be asked.
    package var mayBeLimited: Bool { !tenant.limits.isEmpty || hasOwnLimits }

    /// Every account a call of the key to a route counts in: those of its tenant first, then of its
    /// workspace, its owner's groups, its owner, the key's own. Allocates nothing.
    package func forEachLimit<Failure: Error>(
        of route: CompiledRoute, _ body: (CompiledLimit, GrantAccount) throws(Failure) -> Void
    ) throws(Failure) {
        let limits = tenant.limits
        if !limits.isEmpty {
            try visit(limits.whole, route, body)
            try visit(limits.of(workspace: record.workspace), route, body)
            if let owner {
                let ofOwner = limits.of(user: owner)
                try visit(ofOwner.asMember, route, body)
                try visit(ofOwner.own, route, body)
            }
        }
        for index in ownLimits {
            let limit = ownLimit(index)
            if limit.matches(route) { try limit.forEachAccount(of: self, body) }
        }
    }

    private func visit<Failure: Error>(
        _ limits: [CompiledLimit], _ route: CompiledRoute,
        _ body: (CompiledLimit, GrantAccount) throws(Failure) -> Void
    ) throws(Failure) {
        for limit in limits where limit.matches(route) { try limit.forEachAccount(of: self, body) }
    }
}
