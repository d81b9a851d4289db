/// Which limits of a tenant; what is nil does not matter.
package struct LimitFilter: Hashable, Sendable {
    package var kind: LimitKind?
    package var subject: LimitSubject.Kind?
    package var workspace: WorkspaceID?
    package var group: GroupID?
    package var user: UserID?
    package var key: KeyID?
    package var metric: LimitMetric?
    package var period: LimitPeriod?
    package var partition: LimitPartition?
    package var mode: LimitMode?

    package init() {}
}
