/// Which routes of a tenant lead into which, as far as they matter to a change of one of them.
package struct RouteGraph: Sendable {
    package struct Node: Hashable, Sendable {
        package let name: String
        /// Targets that are models.
        package let modelCount: Int
        /// Targets that are routes, in order.
        package let routes: [RouteID]

        package init(name: String, modelCount: Int, routes: [RouteID]) {
            self.name = name
            self.modelCount = modelCount
            self.routes = routes
        }

        package init(_ route: Route) {
            self.init(
                name: route.name, modelCount: route.targets.count { $0.model != nil },
                routes: route.targets.compactMap(\.route))
        }
    }

    private var nodes: [RouteID: Node]

    package init(_ nodes: [RouteID: Node]) { self.nodes = nodes }

    /// What would be wrong if a route were like this: a cycle, with the names on its way; too many levels;
    /// more targets than a call can choose from, in it or in a route that leads to it.
    package func problem(with route: Route) -> ValidationError? {
        var graph = self
        graph.nodes[route.id] = Node(route)
        for id in [route.id] + graph.ancestors(of: route.id) {
            switch graph.walk(id, path: []) {
            case .leaves(let count) where count > Route.maximumTargets:
                let message =
                    "must lead to at most \(Route.maximumTargets) models in all; \(graph.name(id)) would "
                    + "have \(count)"
                return ValidationError("/targets", .tooLong, message)
            case .leaves: continue
            case .cycle(let path):
                let names = path.map { graph.name($0) }.joined(separator: " → ")
                return ValidationError("/targets", .notAllowed, "must not lead in a circle: \(names)")
            case .tooDeep(let path):
                let names = path.map { graph.name($0) }.joined(separator: " → ")
                return ValidationError(
                    "/targets", .notAllowed,
                    "must have at most \(Route.maximumLevels) routes inside each other: \(names)")
            }
        }
        return nil
    }

    private enum Walk {
        case leaves(Int)
        case cycle([RouteID])
        case tooDeep([RouteID])
    }

    private func walk(_ id: RouteID, path: [RouteID]) -> Walk {
        let path = path + [id]
        if let first = path.dropLast().firstIndex(of: id) { return .cycle(Array(path[first...])) }
        if path.count > Route.maximumLevels { return .tooDeep(path) }
        guard let node = nodes[id] else { return .leaves(0) }
        var count = node.modelCount
        for next in node.routes {
            guard case .leaves(let more) = walk(next, path: path) else { return walk(next, path: path) }
            count += more
        }
        return .leaves(count)
    }

    private func ancestors(of id: RouteID) -> [RouteID] {
        var found: Set<RouteID> = []
        var waiting = [id]
        while let next = waiting.popLast() {
            for (parent, node) in nodes where node.routes.contains(next) && found.insert(parent).inserted {
                waiting.append(parent)
            }
        }
        return found.sorted()
    }

    private func name(_ id: RouteID) -> String { nodes[id]?.name ?? "\(id)" }
}
