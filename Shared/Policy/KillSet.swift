import Contract
import Domain

/// What the manifest takes away, ready to be asked on every call. Usually empty.
struct KillSet: Sendable {
    private let keys: Set<KeyID>
    private let tenants: Set<TenantID>
    private let providers: Set<ProviderID>

    init(_ kills: [KillEntry]) {
        var keys: Set<KeyID> = []
        var tenants: Set<TenantID> = []
        var providers: Set<ProviderID> = []
        for kill in kills {
            switch kill {
            case .key(let id): keys.insert(id)
            case .tenant(let id): tenants.insert(id)
            case .provider(let id): providers.insert(id)
            }
        }
        self.keys = keys
        self.tenants = tenants
        self.providers = providers
    }

    func contains(_ key: KeyID) -> Bool { !keys.isEmpty && keys.contains(key) }
    func contains(_ tenant: TenantID) -> Bool { !tenants.isEmpty && tenants.contains(tenant) }
    func contains(_ provider: ProviderID) -> Bool { !providers.isEmpty && providers.contains(provider) }
}
