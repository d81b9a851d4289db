import Contract
package import Dialects
import Domain
import Patterns
import Policy

/// Guards a streamed answer: holds back as many bytes as a finding may need to show, so that one that is cut
/// by the pieces of a stream is seen as a whole. One stream's; loop thread.
package final class OutputGuard: EventFilter {
    /// A finding that is longer and still goes on is not waited for: the stream is stopped.
    package static let heldBytes = 512
    /// Bytes that went out already and are still looked at, so that the beginnings of words are known.
    private static let contextBytes = 16

    private enum Channel: Equatable {
        case text, reasoning
        case arguments(Int)
    }

    private struct Sighting {
        let finding: Finding
        let guardrail: CompiledGuardrail
    }

    private let guards: CallGuards
    /// Nothing is held or changed, only counted.
    private let isObserver: Bool
    private var channel = Channel.text
    private var pending: [UInt8] = []
    /// How many of them went out already.
    private var sent = 0
    /// What comes before the first word: until then a stream can be refused by a status.
    private var preface: [CanonicalEvent] = []
    private var hasBegun = false

    package init(_ guards: CallGuards) {
        self.guards = guards
        isObserver = !guards.mayChangeOutput
    }

    package func take(_ event: CanonicalEvent) -> [CanonicalEvent] {
        if guards.block != nil { return [] }
        var events: [CanonicalEvent] = []
        switch event {
        case .text(let text): add(text, .text, &events)
        case .reasoning(let text): add(text, .reasoning, &events)
        case .toolArguments(let index, let text): add(text, .arguments(index), &events)
        case .start, .usage: if hasBegun { events.append(event) } else { preface.append(event) }
        case .failure, .reasoningSignature, .toolCall, .finish, .end:
            flush(&events)
            if guards.block == nil { events.append(event) }
        }
        if isObserver { return [event] }
        if hasBegun || events.isEmpty { return events }
        if case .failure = events[0] { return events }
        hasBegun = true
        return preface + events
    }

    private func add(_ text: String, _ wanted: Channel, _ events: inout [CanonicalEvent]) {
        if channel != wanted {
            flush(&events)
            channel = wanted
        }
        if guards.block != nil { return }
        pending += text.utf8
        let end = pending.count - Self.heldBytes
        if end > sent { release(upTo: end, isLast: false, &events) }
    }

    private func flush(_ events: inout [CanonicalEvent]) {
        if pending.count > sent { release(upTo: pending.count, isLast: true, &events) }
        pending.removeAll(keepingCapacity: true)
        sent = 0
    }

    /// Lets go of what lies before an offset, but never of a part of a finding.
    private func release(upTo wanted: Int, isLast: Bool, _ events: inout [CanonicalEvent]) {
        var end = wanted
        // Not inside a character.
        while end > sent, end < pending.count, pending[end] & 0xC0 == 0x80 { end -= 1 }
        var settled: [Sighting] = []
        for sighting in sightings() where sighting.finding.range.lowerBound < end {
            let range = sighting.finding.range
            if range.upperBound < pending.count || isLast {
                settled.append(sighting)
                end = max(end, range.upperBound)
            } else if range.count > Self.heldBytes, sighting.guardrail.entry.mode == .enforce {
                return stop(sighting, &events)
            } else {
                end = range.lowerBound
                break
            }
        }
        var out: [UInt8] = []
        for sighting in settled where sighting.finding.range.upperBound <= end {
            guard let effect = effect(of: sighting.guardrail) else { return stop(sighting, &events) }
            guards.tally(sighting.guardrail, effect, 1)
            guard effect == .redacted else { continue }
            out += pending[sent..<max(sent, sighting.finding.range.lowerBound)]
            out += Array(Detector.mark(sighting.finding.label).utf8)
            sent = sighting.finding.range.upperBound
        }
        if end > sent {
            out += pending[sent..<end]
            sent = end
        }
        if !out.isEmpty { events.append(piece(String(decoding: out, as: UTF8.self))) }
        let dropped = max(0, sent - Self.contextBytes)
        pending.removeFirst(dropped)
        sent -= dropped
    }

    /// nil: the stream is stopped.
    private func effect(of guardrail: CompiledGuardrail) -> GuardrailMark.Effect? {
        if guardrail.entry.mode == .observe { return .observed }
        return guardrail.entry.rule.action == .redact ? .redacted : nil
    }

    private func stop(_ sighting: Sighting, _ events: inout [CanonicalEvent]) {
        guards.tally(sighting.guardrail, .blocked, 1)
        let block = guards.stop(sighting.guardrail)
        events.append(.failure(ProviderComplaint(message: block.message, status: 400)))
    }

    /// What all guardrails see, in order; of what overlaps only what begins first, and of that the stricter.
    private func sightings() -> [Sighting] {
        var all: [Sighting] = []
        for guardrail in guards.outputs {
            let findings = pending.withUnsafeBytes { guardrail.detector?.findings(in: $0) ?? [] }
            for finding in findings where finding.range.lowerBound >= sent {
                all.append(Sighting(finding: finding, guardrail: guardrail))
            }
        }
        if all.count < 2 { return all }
        func severity(_ sighting: Sighting) -> Int {
            switch effect(of: sighting.guardrail) {
            case nil: 0
            case .redacted: 1
            default: 2
            }
        }
        all.sort {
            ($0.finding.range.lowerBound, severity($0)) < ($1.finding.range.lowerBound, severity($1))
        }
        var disjoint: [Sighting] = []
        for sighting in all {
            // Those that only count may lie over others.
            let isFree =
                effect(of: sighting.guardrail) == .observed
                || !disjoint.contains {
                    effect(of: $0.guardrail) != .observed && $0.finding.range.overlaps(sighting.finding.range)
                }
            if isFree { disjoint.append(sighting) }
        }
        return disjoint
    }

    private func piece(_ text: String) -> CanonicalEvent {
        switch channel {
        case .text: .text(text)
        case .reasoning: .reasoning(text)
        case .arguments(let index): .toolArguments(index, text)
        }
    }
}
