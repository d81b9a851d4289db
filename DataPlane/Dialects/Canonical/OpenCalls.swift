/// Tool calls of a dialect that often gives them no ids: they get one each, and results find theirs by name
/// and order.
struct OpenCalls {
    private var open: [(name: String, id: String)] = []
    private var count = 0

    mutating func begin(_ name: String, id: String?) -> String {
        count += 1
        let id = id ?? "call_\(count)"
        open.append((name, id))
        return id
    }

    mutating func answer(_ name: String, id: String?) -> String {
        let index = open.firstIndex { id == nil ? $0.name == name : $0.id == id }
        guard let index else { return id ?? "call_\(name)" }
        return open.remove(at: index).id
    }
}
