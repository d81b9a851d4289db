import Contract
package import Dialects
import Domain
import Policy

/// A stream that webhooks are asked about, piece by piece: holds events back until they have been let
/// through. Where all webhooks only observe, events go on at once. One stream's; loop thread.
package final class AskedStream: EventFilter {
    /// So much text makes a piece; the stream's last may be shorter.
    package static let pieceBytes = 512
    /// How much of what went before goes along.
    static let contextBytes = 256

    private enum Channel: Equatable {
        case text, reasoning
        case arguments(Int)
    }

    private let guards: CallGuards
    private let inner: (any EventFilter)?
    private let isObserver: Bool
    private var held: [CanonicalEvent] = []
    private var heldBytes = 0
    private var pieces = 0
    private var context = ""
    private var hasBegun = false
    private var hasEnded = false
    /// Somebody must be asked before the stream goes on.
    package private(set) var isDue = false

    /// - Parameter inner: sees events first.
    package init(_ guards: CallGuards, after inner: (any EventFilter)?) {
        self.guards = guards
        self.inner = inner
        isObserver = guards.outputWebhooks.allSatisfy { $0.entry.mode == .observe }
    }

    package func take(_ event: CanonicalEvent) -> [CanonicalEvent] {
        (inner?.take(event) ?? [event]).flatMap(hold)
    }

    private func hold(_ event: CanonicalEvent) -> [CanonicalEvent] {
        switch event {
        case .text(let text), .reasoning(let text), .toolArguments(_, let text):
            held.append(event)
            heldBytes += text.utf8.count
            if heldBytes >= Self.pieceBytes { isDue = true }
            return isObserver ? [event] : []
        case .failure:
            // Nobody needs what was not let through yet.
            drop()
            return [event]
        case .finish, .end:
            hasEnded = true
            if heldBytes > 0 { isDue = true }
        case .start, .usage, .reasoningSignature, .toolCall: break
        }
        if isObserver { return [event] }
        // Until the first word a stream can be refused by a status.
        let isPreface = if case .start = event { true } else if case .usage = event { true } else { false }
        if heldBytes > 0 || (isPreface && !hasBegun) {
            held.append(event)
            return []
        }
        defer { hasBegun = true }
        return released() + [event]
    }

    /// Asks about what is held, and gives what goes on; throws when the stream must end.
    ///
    /// - Parameter isLast: nothing more will come, though the stream has not said so.
    package func settle(isLast: Bool) async throws(GuardrailBlock) -> [CanonicalEvent] {
        let runs = runs
        let texts = runs.map(\.text)
        let piece = WebhookQuestion.Piece(
            number: pieces, isLast: isLast || hasEnded, context: context)
        isDue = false
        if !texts.isEmpty { pieces += 1 }
        do throws(GuardrailBlock) {
            let others = try await guards.judged(texts, by: guards.outputWebhooks, .answer, piece)
            if isObserver {
                remember(texts)
                drop()
                return []
            }
            if let others { replace(runs, by: others) }
            remember(others ?? texts)
            return released()
        } catch {
            drop()
            throw guards.stop(error)
        }
    }

    // MARK: What is held

    /// Events of one channel that follow each other make one text.
    private struct Run {
        let channel: Channel
        var text: String
        var places: Range<Int>
    }

    private var runs: [Run] {
        var runs: [Run] = []
        for (place, event) in held.enumerated() {
            let (channel, text): (Channel, String)
            switch event {
            case .text(let piece): (channel, text) = (.text, piece)
            case .reasoning(let piece): (channel, text) = (.reasoning, piece)
            case .toolArguments(let index, let piece): (channel, text) = (.arguments(index), piece)
            default: continue
            }
            if let last = runs.last, last.channel == channel, last.places.upperBound == place {
                runs[runs.count - 1].text += text
                runs[runs.count - 1].places = last.places.lowerBound..<place + 1
            } else {
                runs.append(Run(channel: channel, text: text, places: place..<place + 1))
            }
        }
        return runs
    }

    private func replace(_ runs: [Run], by texts: [String]) {
        for (run, text) in zip(runs, texts).reversed() where run.text != text {
            let event: CanonicalEvent =
                switch run.channel {
                case .text: .text(text)
                case .reasoning: .reasoning(text)
                case .arguments(let index): .toolArguments(index, text)
                }
            held.replaceSubrange(run.places, with: text.isEmpty ? [] : [event])
        }
    }

    private func released() -> [CanonicalEvent] {
        let events = held
        drop()
        if !events.isEmpty { hasBegun = true }
        return events
    }

    private func drop() {
        held.removeAll()
        heldBytes = 0
        isDue = false
    }

    private func remember(_ texts: [String]) {
        let all = Array((context + texts.joined()).utf8)
        var start = max(0, all.count - Self.contextBytes)
        // Not inside a character.
        while start < all.count, all[start] & 0xC0 == 0x80 { start += 1 }
        context = String(decoding: all[start...], as: UTF8.self)
    }
}
