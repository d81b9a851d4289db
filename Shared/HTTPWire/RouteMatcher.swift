/// What a path parameter of a pattern stood for, by name.
package struct RouteParameters: Sendable {
    fileprivate var entries: [(name: String, value: String)] = []

    package init() {}

    package subscript(name: String) -> String? {
        get { entries.first { $0.name == name }?.value }
        set {
            entries.removeAll { $0.name == name }
            if let newValue { entries.append((name, newValue)) }
        }
    }
    package var isEmpty: Bool { entries.isEmpty }
}

/// Why a table of patterns was refused.
package enum RoutePatternError: Error, Sendable, Equatable {
    case malformed(String)
    case duplicate(String)
}

/// Finds the endpoint for a method and a decoded path. Build it once; matching is read-only.
///
/// Patterns look like `/api/v1/tenants/{tenant}/keys/{key}`. A parameter takes one non-empty segment, may
/// carry a literal suffix (`{model}:generateContent`), and as the last may take all that is left
/// (`{model...}`). Literals win over suffixed parameters, those over plain ones, and these over tails. HEAD
/// uses the GET endpoint.
package struct RouteMatcher<Endpoint> {
    package enum Match {
        case found(Endpoint, RouteParameters)
        case notFound
        /// The path exists; these methods would do (for `Allow`).
        case methodNotAllowed([HTTPMethod])
    }

    fileprivate struct Parameter {
        let name: String
        let suffix: String
        let node: Int
    }
    fileprivate struct Node {
        var literals: [String: Int] = [:]
        var parameters: [Parameter] = []
        var tails: [Parameter] = []
        var endpoints: [(method: HTTPMethod, endpoint: Endpoint)] = []
    }
    private var nodes = [Node()]

    package init() {}

    /// `"GET /path"` or, with the method apart, ``add(_:_:_:)``.
    package init(_ routes: [(pattern: String, endpoint: Endpoint)]) throws(RoutePatternError) {
        for route in routes {
            let parts = route.pattern.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, let method = HTTPMethod(String(parts[0])) else {
                throw .malformed(route.pattern)
            }
            try add(method, String(parts[1]), route.endpoint)
        }
    }

    package mutating func add(
        _ method: HTTPMethod, _ pattern: String, _ endpoint: Endpoint
    ) throws(RoutePatternError) {
        guard pattern.hasPrefix("/") else { throw .malformed(pattern) }
        var node = 0
        let segments = pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (index, segment) in segments.enumerated() {
            guard segment.hasPrefix("{") else {
                guard !segment.contains("{"), !segment.contains("}") else { throw .malformed(pattern) }
                node = literalChild(of: node, String(segment))
                continue
            }
            guard let close = segment.firstIndex(of: "}") else { throw .malformed(pattern) }
            var name = String(segment[segment.index(after: segment.startIndex)..<close])
            let suffix = String(segment[segment.index(after: close)...])
            let isTail = name.hasSuffix("...")
            if isTail { name.removeLast(3) }
            guard !name.isEmpty, !isTail || index == segments.count - 1 else { throw .malformed(pattern) }
            node = parameterChild(of: node, name, suffix, isTail: isTail)
        }
        guard !nodes[node].endpoints.contains(where: { $0.method == method }) else {
            throw .duplicate("\(method) \(pattern)")
        }
        nodes[node].endpoints.append((method: method, endpoint: endpoint))
    }

    private mutating func literalChild(of node: Int, _ segment: String) -> Int {
        if let child = nodes[node].literals[segment] { return child }
        nodes.append(Node())
        nodes[node].literals[segment] = nodes.count - 1
        return nodes.count - 1
    }

    private mutating func parameterChild(
        of node: Int, _ name: String, _ suffix: String, isTail: Bool
    ) -> Int {
        let siblings = isTail ? nodes[node].tails : nodes[node].parameters
        if let child = siblings.first(where: { $0.name == name && $0.suffix == suffix }) { return child.node }
        nodes.append(Node())
        let parameter = Parameter(name: name, suffix: suffix, node: nodes.count - 1)
        // Longer suffixes first, so that plain parameters come last.
        var ordered = siblings + [parameter]
        ordered.sort { $0.suffix.utf8.count > $1.suffix.utf8.count }
        if isTail { nodes[node].tails = ordered } else { nodes[node].parameters = ordered }
        return parameter.node
    }

    /// `path` is decoded, with dot segments resolved, as ``RequestHead/path(in:)`` gives it.
    package func match(_ method: HTTPMethod, _ path: String) -> Match {
        guard path.hasPrefix("/") else { return .notFound }
        let slash = UInt8(ascii: "/")
        let segments = path.utf8.dropFirst().split(separator: slash, omittingEmptySubsequences: false)
            .map { Substring($0) }
        // Patterns are short; a path with more segments than this can only be meant to cost time.
        guard segments.count <= 64 else { return .notFound }
        var parameters = RouteParameters()
        var allowed: [HTTPMethod] = []
        if let endpoint = find(method, segments[...], 0, &parameters, &allowed) {
            return .found(endpoint, parameters)
        }
        return allowed.isEmpty ? .notFound : .methodNotAllowed(allowed)
    }

    package func match(_ method: HTTPMethod, _ path: UnsafeRawBufferPointer) -> Match {
        match(method, String(decoding: path, as: UTF8.self))
    }

    private func find(
        _ method: HTTPMethod, _ segments: ArraySlice<Substring>, _ index: Int,
        _ parameters: inout RouteParameters, _ allowed: inout [HTTPMethod]
    ) -> Endpoint? {
        let node = nodes[index]
        guard let segment = segments.first else { return endpoint(of: node, method, &allowed) }
        let rest = segments.dropFirst()
        if let child = node.literals[String(segment)],
            let found = find(method, rest, child, &parameters, &allowed)
        {
            return found
        }
        for parameter in node.parameters {
            guard segment.utf8.count > parameter.suffix.utf8.count, segment.hasSuffix(parameter.suffix) else {
                continue
            }
            let value = String(segment.dropLast(parameter.suffix.count))
            parameters.entries.append((name: parameter.name, value: value))
            if let found = find(method, rest, parameter.node, &parameters, &allowed) { return found }
            parameters.entries.removeLast()
        }
        for tail in node.tails {
            let value = segments.joined(separator: "/")
            guard value.utf8.count > tail.suffix.utf8.count, value.hasSuffix(tail.suffix) else { continue }
            if let found = endpoint(of: nodes[tail.node], method, &allowed) {
                let name = tail.name
                parameters.entries.append((name: name, value: String(value.dropLast(tail.suffix.count))))
                return found
            }
        }
        return nil
    }

    private func endpoint(
        of node: Node, _ method: HTTPMethod, _ allowed: inout [HTTPMethod]
    ) -> Endpoint? {
        if let exact = node.endpoints.first(where: { $0.method == method }) { return exact.endpoint }
        if method == .head, let get = node.endpoints.first(where: { $0.method == .get }) {
            return get.endpoint
        }
        for entry in node.endpoints where !allowed.contains(entry.method) {
            allowed.append(entry.method)
            if entry.method == .get { allowed.append(.head) }
        }
        return nil
    }
}

extension RouteMatcher: Sendable where Endpoint: Sendable {}
extension RouteMatcher.Node: Sendable where Endpoint: Sendable {}
extension RouteMatcher.Parameter: Sendable {}
