/// Which keys of a tenant; what is nil does not matter.
package struct KeyFilter: Hashable, Sendable {
    package var ids: [KeyID]?
    package var workspace: WorkspaceID?
    package var owner: UserID?
    package var kind: KeyKind?
    package var tag: String?
    package var createdBefore: Timestamp?
    /// Not used since then, as far as usage has been taken in; keys made since then are not meant.
    package var unusedSince: Timestamp?

    package init(
        ids: [KeyID]? = nil, workspace: WorkspaceID? = nil, owner: UserID? = nil, kind: KeyKind? = nil,
        tag: String? = nil, createdBefore: Timestamp? = nil, unusedSince: Timestamp? = nil
    ) {
        self.ids = ids
        self.workspace = workspace
        self.owner = owner
        self.kind = kind
        self.tag = tag
        self.createdBefore = createdBefore
        self.unusedSince = unusedSince
    }

    /// Whether it lets every key pass.
    package var isEmpty: Bool { self == KeyFilter() }
}
