/// Puts a conversation together from a dialect's messages: neighbours of one role become one turn, empty
/// texts go, and every tool result learns the name of the tool it answers.
struct ConversationBuilder {
    private(set) var system: [String] = []
    private(set) var messages: [CanonicalMessage] = []
    private var toolNames: [String: String] = [:]

    mutating func addSystem(_ text: String) {
        if !text.allSatisfy(\.isWhitespace) { system.append(text) }
    }

    mutating func add(_ part: CanonicalPart, by role: CanonicalMessage.Role) {
        switch part {
        case .text(let text) where text.isEmpty: return
        case .toolCall(let call): toolNames[call.id] = call.name
        default: break
        }
        if messages.last?.role == role {
            messages[messages.count - 1].parts.append(part)
        } else {
            messages.append(CanonicalMessage(role, [part]))
        }
    }

    /// A result, put before whatever else its turn says: providers want results first.
    mutating func addResult(
        of call: String, name: String? = nil, parts: [CanonicalPart], isError: Bool = false
    ) {
        let result = CanonicalPart.toolResult(
            CanonicalToolResult(
                call: call, name: name ?? toolNames[call] ?? call, parts: parts, isError: isError))
        guard let last = messages.last, last.role == .user else {
            return messages.append(CanonicalMessage(.user, [result]))
        }
        let results = last.parts.prefix { if case .toolResult = $0 { true } else { false } }.count
        messages[messages.count - 1].parts.insert(result, at: results)
    }

    /// The name of the tool a call asked for.
    func toolName(ofCall id: String) -> String? { toolNames[id] }
}
