/// A rule that is broken on purpose, to show that the invariants notice.
package enum Mutation: String, CaseIterable, CustomStringConvertible {
    /// A message that comes late is taken as if it were news.
    case lateMessagesAreTaken
    /// A slice the node has no record of is lent again.
    case orphansAreForgotten
    /// A grant whose node did not hear of it is opened again in the next window.
    case windowsAreForgotten
    /// A restored control plane lends before it knows what was lent.
    case lendsAfterRestore
    /// A restored control plane asks back what it does not know yet.
    case restoreTakesBack
    /// The same batch is counted each time it comes.
    case batchesAreTakenTwice
    /// A reduction is reported before it is on disk.
    case reductionsAreNotSaved
    /// A restarted node goes on as if no call had been under way.
    case marginsAreForgotten
    /// What was spent is not kept with the events.
    case spendingIsNotSaved
    /// A call settles before its event is durable.
    case eventsAreLost
    /// Holds are given back when the call begins.
    case holdsAreNotKept
    /// A raise is used twice: it adds to what was there.
    case raisesAdd
    /// A node that lost its record of a rate begins with a burst anew.
    case burstsAreGivenAgain

    package var description: String { rawValue }

    /// Where to begin looking for a seed that shows it: these need a rare run of events.
    package var firstSeed: UInt64 {
        switch self {
        case .lateMessagesAreTaken: 90
        case .windowsAreForgotten: 25
        case .burstsAreGivenAgain: 38
        default: 1
        }
    }
}
