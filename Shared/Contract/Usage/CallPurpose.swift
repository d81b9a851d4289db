package import Domain

/// What a provider was asked for.
package enum CallPurpose: UInt8, Sendable, CaseIterable {
    /// For its answer.
    case call = 0
    /// For the same answer as another target, which was quicker.
    case hedge = 1
    /// To see how it does: the answer was thrown away, and nobody is billed.
    case mirror = 2

    package var name: String {
        switch self {
        case .call: "call"
        case .hedge: "hedge"
        case .mirror: "mirror"
        }
    }
}

/// What one guardrail did in one call.
package struct GuardrailMark: Hashable, Sendable, BinaryRecord {
    package enum Effect: UInt8, Sendable, CaseIterable {
        /// Found what it looks for, and only counts.
        case observed = 1
        case redacted = 2
        case blocked = 3
        /// A webhook that had to be asked gave no sensible answer in time.
        case unanswered = 4

        package var name: String {
            switch self {
            case .observed: "observed"
            case .redacted: "redacted"
            case .blocked: "blocked"
            case .unanswered: "unanswered"
            }
        }
    }

    package let guardrail: GuardrailID
    package let effect: Effect
    /// How often it found something.
    package let count: UInt16

    package init(guardrail: GuardrailID, effect: Effect, count: UInt16) {
        self.guardrail = guardrail
        self.effect = effect
        self.count = count
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, guardrail)
        writer.number(2, effect.rawValue)
        writer.number(3, count)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var guardrail: GuardrailID?
        var effect: Effect?
        var count: UInt16 = 0
        while let field = try reader.next() {
            switch field.tag {
            case 1: guardrail = try field.id()
            case 2: effect = Effect(rawValue: try field.number(upTo: .max))
            case 3: count = try field.number(upTo: .max)
            default: continue
            }
        }
        self.guardrail = try Self.required(guardrail, 1)
        self.effect = try Self.required(effect, 2)
        self.count = count
    }
}
