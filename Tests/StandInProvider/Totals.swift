import JSONText
import Synchronization

/// What the stand-in has done, over all loops: what tests compare a gateway's books with. Any thread.
package final class Totals: Sendable {
    package enum Count: Int, CaseIterable {
        /// Chat completion requests that were understood, whatever became of them.
        case calls
        /// Answers sent to their last byte, streams among them, and the tokens they reported.
        case answered, streamed, promptTokens, completionTokens
        /// Answers with an error status.
        case errors
        /// Answers broken on purpose.
        case broken
        /// Tokens given for a service account's word.
        case exchanges
        /// Answers the client did not wait for.
        case abandoned

        fileprivate var name: String {
            switch self {
            case .promptTokens: "prompt_tokens"
            case .completionTokens: "completion_tokens"
            default: "\(self)"
            }
        }
    }

    private let counts = Mutex([Int](repeating: 0, count: Count.allCases.count))

    package init() {}

    package subscript(count: Count) -> Int { counts.withLock { $0[count.rawValue] } }

    func add(_ count: Count, _ amount: Int = 1) { counts.withLock { $0[count.rawValue] += amount } }

    func addAnswer(prompt: Int, completion: Int, isStream: Bool) {
        counts.withLock { counts in
            counts[Count.answered.rawValue] += 1
            counts[Count.streamed.rawValue] += isStream ? 1 : 0
            counts[Count.promptTokens.rawValue] += prompt
            counts[Count.completionTokens.rawValue] += completion
        }
    }

    /// The answer of `GET /stand-in/totals`: all counts of one moment.
    func body() -> [UInt8] {
        let counts = counts.withLock { $0 }
        var writer = JSONWriter()
        writer.object { writer in
            for count in Count.allCases { writer.field(count.name, counts[count.rawValue]) }
        }
        return writer.bytes
    }
}
