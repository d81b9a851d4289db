import Contract
import Domain

/// The targets of a route in the order to try them. A value without heap storage; may be empty.
package struct RoutePlan: Sendable {
    private let route: CompiledRoute
    private var order = InlineArray<32, UInt8>(repeating: 0)
    package private(set) var count = 0

    fileprivate init(_ route: CompiledRoute) { self.route = route }

    package var isEmpty: Bool { count == 0 }

    /// The target to try at a position; nil behind the last.
    package subscript(position: Int) -> CompiledTarget? {
        position >= 0 && position < count ? route.targets[Int(order[position])] : nil
    }

    fileprivate mutating func append(_ index: Int) {
        order[count] = UInt8(index)
        count += 1
    }

    fileprivate mutating func swap(_ first: Int, _ second: Int) {
        let saved = order[first]
        order[first] = order[second]
        order[second] = saved
    }

    fileprivate func weight(_ position: Int) -> UInt64 {
        UInt64(max(1, route.targets[Int(order[position])].entry.weight))
    }
    fileprivate func priority(_ position: Int) -> Int32 { route.targets[Int(order[position])].entry.priority }
}

/// The targets of a route that can be used, by priority, and inside one priority in random order by weight: a
/// target with twice the weight comes first twice as often. Disabled and killed providers are left out, and
/// models the key may not use.
///
/// - Parameter draw: 64 random bits; the same ones give the same order.
package func plan(
    _ route: CompiledRoute, for key: AdmittedKey? = nil, in snapshot: CompiledSnapshot, draw: UInt64
) -> RoutePlan {
    var plan = RoutePlan(route)
    for (index, target) in route.targets.enumerated() {
        let provider = target.provider
        guard provider.entry.isEnabled, !snapshot.isKilled(provider.id), key?.allows(target) ?? true else {
            continue
        }
        plan.append(index)
    }
    if plan.count < 2 { return plan }
    var state = draw
    var start = 0
    while start < plan.count {
        var end = start + 1
        while end < plan.count, plan.priority(end) == plan.priority(start) { end += 1 }
        // Draws without replacement: each place goes to one of the rest, by weight.
        for place in start..<max(start, end - 1) {
            let total = (place..<end).reduce(0) { $0 + plan.weight($1) }
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            var ticket = (state ^ state >> 29).multipliedFullWidth(by: total).high
            var chosen = place
            while ticket >= plan.weight(chosen) {
                ticket -= plan.weight(chosen)
                chosen += 1
            }
            plan.swap(place, chosen)
        }
        start = end
    }
    return plan
}
