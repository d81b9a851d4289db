import Contract
import Domain

/// Finds what a tenant's routes lead to: its own providers and prices first, then the platform's; never
/// another's. Routes inside routes become part of them.
struct RouteLinker {
    let providers: [ProviderID: CompiledProvider]
    let prices: [ModelID: [PriceEntry]]
    let platform: PlatformPart
    let markup: Markup

    /// The routes that can be asked for.
    func linked(_ entries: [RouteEntry], _ problems: inout ProblemList) -> [CompiledRoute] {
        var names: Set<String> = []
        var routes: [RouteID: RouteEntry] = [:]
        for entry in entries {
            problems.check(routes.updateValue(entry, forKey: entry.id) == nil, .duplicate, "\(entry.id)")
            problems.check(names.insert(entry.name).inserted, .duplicate, "the name of \(entry.id)")
            let isValid =
                TextRule.modelName.check(entry.name, at: "") == nil && entry.rules.problems.isEmpty
                && (1...Route.maximumTargets).contains(entry.steps.count)
            problems.check(isValid, .invalid, "\(entry.id)")
        }
        return entries.compactMap { entry in
            var walk = RouteWalk(linker: self, routes: routes, root: entry.id)
            let levels = walk.levels(entry, RouteWay(), path: [], &problems)
            problems.check(
                walk.targets.count <= Route.maximumTargets, .invalid,
                "\(entry.id) leads to more than \(Route.maximumTargets) models")
            guard entry.isEnabled, levels != nil, walk.targets.count <= Route.maximumTargets else {
                return nil
            }
            return CompiledRoute(entry, targets: walk.targets, levels: walk.levels)
        }
    }

    fileprivate func linked(
        _ entry: TargetEntry, of route: RouteID, _ way: RouteWay, _ problems: inout ProblemList
    ) -> CompiledTarget? {
        let isValid =
            entry.terms.problems.isEmpty && TextRule.modelName.check(entry.upstreamModel, at: "") == nil
        problems.check(isValid, .invalid, "a target of \(route)")
        guard let provider = providers[entry.provider] ?? platform.providers[entry.provider] else {
            problems.add(.dangling, "\(route) → \(entry.provider)")
            return nil
        }
        return CompiledTarget(
            entry, provider: provider, prices: prices[entry.model] ?? platform.prices[entry.model] ?? [],
            markup: markup, way: way)
    }
}

/// Collects what one route leads to.
private struct RouteWalk {
    let linker: RouteLinker
    let routes: [RouteID: RouteEntry]
    let root: RouteID
    var targets: [CompiledTarget] = []
    var levels: [RouteLevel] = []

    /// Adds the level of a route, and those inside it; nil when it cannot be walked.
    mutating func levels(
        _ entry: RouteEntry, _ way: RouteWay, path: [RouteID], _ problems: inout ProblemList
    ) -> (position: Int, targets: UInt32)? {
        let path = path + [entry.id]
        if path.dropLast().contains(entry.id) || path.count > Route.maximumLevels {
            let names = path.map(\.description).joined(separator: " → ")
            problems.add(.invalid, "routes in a circle, or too many inside each other: \(names)")
            return nil
        }
        let position = levels.count
        levels.append(RouteLevel(strategy: entry.rules.strategy, choices: []))
        var choices: [RouteChoice] = []
        var all: UInt32 = 0
        for step in Self.sorted(entry.steps) {
            // What is beyond the limit is a problem already; it must not be walked.
            guard targets.count <= Route.maximumTargets,
                let choice = choice(step, of: entry, way, path: path, &problems)
            else { continue }
            choices.append(choice)
            all |= choice.targets
        }
        levels[position] = RouteLevel(strategy: entry.rules.strategy, choices: choices)
        return (position, all)
    }

    private mutating func choice(
        _ step: RouteEntry.Step, of entry: RouteEntry, _ way: RouteWay, path: [RouteID],
        _ problems: inout ProblemList
    ) -> RouteChoice? {
        switch step {
        case .target(let target):
            guard let compiled = linker.linked(target, of: entry.id, way, &problems),
                way.through(target.terms).use != nil
            else { return nil }
            targets.append(compiled)
            return RouteChoice(
                kind: .target(targets.count - 1), weight: UInt64(max(1, target.weight)),
                priority: target.priority, targets: 1 << UInt32(targets.count - 1),
                identity: Self.identity(target))
        case .route(let id, let terms):
            problems.check(terms.problems.isEmpty, .invalid, "a target of \(entry.id)")
            guard let next = routes[id] else {
                problems.add(.dangling, "\(entry.id) → \(id)")
                return nil
            }
            var way = way.through(terms)
            way.isCutOff = way.isCutOff || !next.isEnabled
            guard let level = levels(next, way, path: path, &problems) else { return nil }
            return RouteChoice(
                kind: .level(level.position), weight: UInt64(max(1, terms.weight)), priority: terms.priority,
                targets: level.targets, identity: id.high ^ id.low)
        }
    }

    /// The same model may stand at several providers.
    private static func identity(_ target: TargetEntry) -> UInt64 {
        (target.model.high ^ target.model.low) &* 0x9E37_79B9_7F4A_7C15
            ^ target.provider.high ^ target.provider.low
    }

    /// A stable sort by hand: the standard one promises nothing about equals.
    private static func sorted(_ steps: [RouteEntry.Step]) -> [RouteEntry.Step] {
        steps.enumerated().sorted { left, right in
            (left.element.priority, left.offset) < (right.element.priority, right.offset)
        }.map(\.element)
    }
}

extension RouteEntry.Step {
    fileprivate var priority: Int32 {
        switch self {
        case .target(let target): target.priority
        case .route(_, let terms): terms.priority
        }
    }
}
