package import Cryptography
package import Domain
import Synchronization

/// Whole answers of before, for the same call of the same tenant again: in memory, the longest unused go
/// first when it is full. One a node; any thread.
package final class AnswerCache: Sendable {
    /// An answer as it was sent, and who gave it.
    package struct Answer: Sendable, Equatable {
        package let bytes: [UInt8]
        package let provider: ProviderID
        package let model: ModelID

        package init(bytes: [UInt8], provider: ProviderID, model: ModelID) {
            self.bytes = bytes
            self.provider = provider
            self.model = model
        }
    }

    fileprivate struct Entry {
        let answer: Answer
        let tenant: TenantID
        /// On the monotonic clock.
        let ends: Int64
        var older: SHA256Digest?
        var newer: SHA256Digest?

        /// With what an entry takes besides its bytes.
        var size: Int { answer.bytes.count + 256 }
    }

    fileprivate struct State {
        var entries: [SHA256Digest: Entry] = [:]
        var oldest: SHA256Digest?
        var newest: SHA256Digest?
        var bytes = 0
    }

    /// What all entries may take together.
    package let maximumBytes: Int
    private let state = Mutex(State())

    package init(maximumBytes: Int = 64 << 20) { self.maximumBytes = maximumBytes }

    package var bytes: Int { state.withLock { $0.bytes } }
    package var count: Int { state.withLock { $0.entries.count } }

    /// The answer kept under a name of a tenant; nil when there is none any more.
    package func find(_ name: SHA256Digest, of tenant: TenantID, at now: Int64) -> Answer? {
        state.withLock { state in
            guard let entry = state.entries[name], entry.tenant == tenant else { return nil }
            state.take(name)
            if now >= entry.ends { return nil }
            state.put(entry, name)
            return entry.answer
        }
    }

    /// Keeps an answer until a moment, in the place of the one before. One that would take more than a
    /// sixteenth of all is not kept.
    package func keep(_ answer: Answer, _ name: SHA256Digest, of tenant: TenantID, until ends: Int64) {
        let entry = Entry(answer: answer, tenant: tenant, ends: ends)
        guard entry.size <= maximumBytes / 16 else { return }
        state.withLock { state in
            state.take(name)
            state.put(entry, name)
            while state.bytes > maximumBytes, let oldest = state.oldest { state.take(oldest) }
        }
    }

    /// Forgets everything that ended, and everything of tenants that are not to be served any more.
    package func forget(at now: Int64, where isGone: (TenantID) -> Bool) {
        state.withLock { state in
            for (name, entry) in state.entries where now >= entry.ends || isGone(entry.tenant) {
                state.take(name)
            }
        }
    }
}

extension AnswerCache.State {
    /// Takes an entry out, if it is there.
    mutating func take(_ name: SHA256Digest) {
        guard let entry = entries.removeValue(forKey: name) else { return }
        bytes -= entry.size
        if let older = entry.older { entries[older]?.newer = entry.newer } else { oldest = entry.newer }
        if let newer = entry.newer { entries[newer]?.older = entry.older } else { newest = entry.older }
    }

    /// Puts an entry in as the newest.
    mutating func put(_ entry: AnswerCache.Entry, _ name: SHA256Digest) {
        var entry = entry
        entry.older = newest
        entry.newer = nil
        if let newest { entries[newest]?.newer = name } else { oldest = name }
        newest = name
        bytes += entry.size
        entries[name] = entry
    }
}
