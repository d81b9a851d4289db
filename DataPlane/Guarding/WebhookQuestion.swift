import Contract
import Domain
import JSONText
package import Policy

/// Texts that a webhook is asked about.
package struct WebhookQuestion {
    /// A piece of a stream.
    package struct Piece: Equatable, Sendable {
        /// From 0.
        package let number: Int
        package let isLast: Bool
        /// The end of what went before it, which has been let through.
        package let context: String
    }

    /// More is not asked about. Unit: bytes of texts.
    package static let maximumBytes = 4 << 20

    package let guardrail: CompiledGuardrail
    package let side: GuardrailBlock.Side
    package let texts: [String]
    package let piece: Piece?
    /// Which question of the call it is, from 0.
    package let number: Int

    package var byteCount: Int { texts.reduce(0) { $0 + $1.utf8.count } }

    /// What is posted. `facts` say whose call it is.
    package func body(_ facts: [(name: String, value: String)], at moment: String) -> [UInt8] {
        var data = JSONObject()
        data["guardrail"] = .string(guardrail.id.description)
        data["guardrail_name"] = .string(guardrail.entry.name)
        for fact in facts { data[fact.name] = .string(fact.value) }
        data["texts"] = .array(texts.map { .string($0) })
        if let piece {
            data["piece"] = .number(JSONNumber(Int64(piece.number)))
            data["is_last"] = .boolean(piece.isLast)
            data["context"] = .string(piece.context)
        }
        let kind = side == .request ? "input" : piece == nil ? "output" : "output_piece"
        let message: JSONValue = [
            "type": .string("guardrail.\(kind)"), "timestamp": .string(moment), "data": .object(data),
        ]
        return message.bytes
    }
}

/// What a webhook says about texts.
package enum WebhookVerdict: Equatable, Sendable {
    case allow
    case block
    /// Other texts for all of them, in their order.
    case redact([String])

    /// nil when the answer is none.
    package init?(_ body: [UInt8], about texts: [String]) {
        let limits = JSONLimits(maximumBytes: max(1, body.count), maximumValues: texts.count + 64)
        guard let answer = try? JSONValue.parse(body, limits: limits) else { return nil }
        switch answer["verdict"]?.string {
        case "allow": self = .allow
        case "block": self = .block
        case "redact":
            let others = answer["texts"]?.array?.compactMap(\.string) ?? []
            guard others.count == texts.count, answer["texts"]?.array?.count == texts.count else {
                return nil
            }
            self = .redact(others)
        default: return nil
        }
    }
}
