import HTTPWire

extension Exchange {
    /// All values of a field in order, joined by commas as RFC 9110 §5.3 allows; nil when there is none.
    /// `name` is lower-case.
    package func joinedFieldText(_ name: StaticString) -> String? {
        guard let first = field(name) else { return nil }
        let wanted = String(describing: name)
        var values: [String] = []
        for index in 0..<head.fields.count {
            let slot = head.fields[index]
            guard slot.nameLength == wanted.utf8.count,
                String(decoding: slot.name(in: headBytes), as: UTF8.self).lowercased() == wanted
            else { continue }
            values.append(String(decoding: slot.value(in: headBytes), as: UTF8.self))
        }
        return values.isEmpty ? String(decoding: first, as: UTF8.self) : values.joined(separator: ",")
    }
}
