import Domain
import JSONText

/// Names in place of IDs: `@workspace/default` stands for the ID that the workspace has in this installation.
/// A text of one's own that begins with `@` is written with two.
struct DeclaredReferences {
    private var names: [String: String] = [:]
    private var ids: [String: String] = [:]
    /// Names that two things have: they stand for neither.
    private var shared: Set<String> = []

    /// A name that stands for nothing, and where in the value it is.
    struct Unknown {
        let name: String
        let pointer: String
    }

    mutating func add(_ name: String, for id: String) {
        if let other = ids[name], other != id {
            ids[name] = nil
            names[other] = nil
            shared.insert(name)
        }
        guard !shared.contains(name) else { return }
        ids[name] = id
        names[id] = name
    }

    func name(of id: String) -> String? { names[id] }

    /// With names for the IDs that have one; other IDs stay, and are good in this installation alone.
    func named(_ value: JSONValue) -> JSONValue {
        map(value, at: "") { text, _ in names[text] ?? (text.hasPrefix("@") ? "@\(text)" : text) }
    }

    /// With the IDs of names; what is not known stays, and is put into `unknown`.
    func resolved(_ value: JSONValue, unknown: inout [Unknown]) -> JSONValue {
        map(value, at: "") { text, pointer in
            if text.hasPrefix("@@") { return String(text.dropFirst()) }
            guard text.hasPrefix("@") else { return text }
            if let id = ids[text] { return id }
            unknown.append(Unknown(name: text, pointer: pointer))
            return text
        }
    }

    private func map(
        _ value: JSONValue, at pointer: String, _ change: (_ text: String, _ pointer: String) -> String
    ) -> JSONValue {
        switch value {
        case .string(let text): return .string(change(text, pointer))
        case .array(let elements):
            return .array(elements.enumerated().map { map($1, at: "\(pointer)/\($0)", change) })
        case .object(let object):
            var mapped = JSONObject()
            for member in object.members {
                let below = "\(pointer)/\(pointerToken(member.name))"
                mapped[member.name] = map(member.value, at: below, change)
            }
            return .object(mapped)
        default: return value
        }
    }
}
