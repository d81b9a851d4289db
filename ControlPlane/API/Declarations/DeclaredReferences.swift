import Domain
import JSONText

/// Names in place of IDs: `@workspace/default` stands for the ID that the workspace has in this installation.
/// A text of one's own that begins with `@` is written with two.
struct DeclaredReferences {
    private var names: [String: String] = [:]
    private var ids: [String: String] = [:]
    /// Names that two things have: they stand for neither.
    private var shared: Set<String> = []

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
        map(value) { text in names[text] ?? (text.hasPrefix("@") ? "@\(text)" : text) }
    }

    /// With the IDs of names; what is not known stays, and is put into `unknown`.
    func resolved(_ value: JSONValue, unknown: inout [String]) -> JSONValue {
        map(value) { text in
            if text.hasPrefix("@@") { return String(text.dropFirst()) }
            guard text.hasPrefix("@") else { return text }
            if let id = ids[text] { return id }
            unknown.append(text)
            return text
        }
    }

    private func map(_ value: JSONValue, _ change: (String) -> String) -> JSONValue {
        switch value {
        case .string(let text): return .string(change(text))
        case .array(let elements): return .array(elements.map { map($0, change) })
        case .object(let object):
            var mapped = JSONObject()
            for member in object.members { mapped[member.name] = map(member.value, change) }
            return .object(mapped)
        default: return value
        }
    }
}
