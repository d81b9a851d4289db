import Contract
package import Domain

extension CompiledTenant {
    /// The routes of `/passthrough/…`: one for each provider of the tenant's own, by the provider's name. The
    /// platform's are left out: what else an account of the platform's holds is no tenant's business.
    static func passages(
        to providers: [CompiledProvider], of tenant: TenantID
    ) -> [String: CompiledRoute] {
        var passages: [String: CompiledRoute] = [:]
        for provider in providers where !provider.entry.name.isEmpty {
            let id = provider.id
            let target = TargetEntry(
                provider: id, model: ModelID(high: id.high, low: id.low), upstreamModel: "passthrough")
            let entry = RouteEntry(
                id: RouteID(high: id.high, low: id.low), tenant: tenant,
                name: "passthrough/\(provider.entry.name)", targets: [target])
            passages[provider.entry.name] = CompiledRoute(
                entry, targets: [CompiledTarget(target, provider: provider, prices: [])], levels: [])
        }
        return passages
    }

    /// What the tenant pays for a model of a provider, as one of its routes has it; nil when none has.
    package func target(of provider: ProviderID, where isMeant: (String) -> Bool) -> CompiledTarget? {
        for route in routes {
            for target in route.targets
            where target.provider.id == provider && isMeant(target.entry.upstreamModel) { return target }
        }
        return nil
    }
}

extension AdmittedKey {
    /// Whether the key's calls may go to a provider as they are. That must be said of a key by name, and says
    /// nothing for a key that is held to routes or models: what is passed through names any model.
    var mayPassThrough: Bool { record.endpoints != .all && !isHeld }

    /// A budget that must hold binds its calls; what is passed through has no bound.
    package func isBudgeted(on route: CompiledRoute) -> Bool {
        var isBudgeted = false
        forEachLimit(of: route) { limit, _ in
            let terms = limit.terms
            guard terms.kind == .budget, terms.mode == .enforce else { return }
            switch terms.metric {
            case .inputTokens, .outputTokens, .totalTokens, .cost: isBudgeted = true
            case .requests, .concurrency: break
            }
        }
        return isBudgeted
    }
}

/// Whether a call may be passed through to a provider of the key's tenant: `authenticate`, then that the key
/// may pass anything through, then the provider by its name. A provider that is another's, disabled or killed
/// does not exist.
package func admit(
    _ credential: UnsafeRawBufferPointer, passingTo provider: String,
    from origin: CallOrigin = CallOrigin(), at now: Timestamp, in snapshot: CompiledSnapshot
) throws(Refusal) -> Admitted {
    let key = try authenticate(credential, for: .passthrough, from: origin, at: now, in: snapshot)
    guard key.mayPassThrough else { throw .endpointNotAllowed }
    guard let route = key.tenant.passage(to: provider), let target = route.targets.first,
        target.provider.entry.isEnabled, !snapshot.isKilled(target.provider.id)
    else { throw .routeNotFound }
    return Admitted(key: key, route: route)
}
