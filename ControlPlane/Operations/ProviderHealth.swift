package import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// A real call to a provider: what to ask, where, and with which credential.
package struct ProviderProbe: Sendable {
    package let url: String
    /// The header the credential stands in, and what comes before it.
    package let credentialField: String
    package let credentialPrefix: String
    package let credential: Secret?
    package let headers: [ExtraHeader]
    package let proxy: EgressProxy?
    package let timeoutMilliseconds: Int32

    /// The most bytes of an answer that are read.
    package static let maximumBody = 4 << 20
    /// How long a test may take, whatever the provider's own timeouts are.
    package static let longestMilliseconds: Int32 = 15_000

    package enum Answer: Sendable {
        case answered(status: Int, body: [UInt8], milliseconds: Int64)
        /// Why there was none; names addresses, never credentials.
        case unreachable(String)
    }
}

/// What a test found, and what it listed.
package struct ProviderTestReport: Sendable {
    package let test: ProviderTest
    /// The models the provider named, at most 500.
    package let models: [String]
}

/// How a provider is doing.
package struct ProviderHealth: Sendable {
    /// nil: never tested.
    package let lastTest: ProviderTest?
    /// In the last hour, as far as usage has come in.
    package let recentCalls: Int64
    package let recentFailures: Int64
}

extension ProviderOperations {
    /// Calls the provider: asks for its list of models with one of its credentials (nil: the first), and
    /// keeps what came of it. Whatever the provider does, this succeeds and says so; the credential is in no
    /// text.
    package func test(
        _ id: ProviderID, credential: CredentialID?, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<ProviderTestReport> {
        let (provider, secret) = try await environment.read(
            .providersTest, in: .owner(owner), by: caller
        ) { connection in
            let provider = try found(try await ProviderStore.find(id, of: owner, connection))
            let stored = try await ProviderStore.credential(
                credential, of: id, ownedBy: owner, connection)
            if credential != nil && stored == nil {
                throw OperationError.missing("/credential", "a credential of this provider")
            }
            guard let stored else { return (provider, Secret?.none) }
            let vault = environment.keys.vault
            return (provider, try await vault.open(stored.sealed, of: id, owner: owner, connection))
        }
        let report = await probe(provider, secret)
        return try await environment.write(
            "providers.test", .providersTest, in: .owner(owner), by: caller
        ) { connection in
            guard try await ProviderStore.setTest(report.test, of: id, ownedBy: owner, connection) else {
                throw OperationError.notFound
            }
            let details: JSONValue = [
                "name": .string(provider.name), "outcome": .string(report.test.outcome.rawValue),
            ]
            return Recorded(report, AuditSubject("provider", id, details))
        }
    }

    /// The last test, and how many recent calls failed. A tenant's own provider counts that tenant's calls.
    package func health(
        _ id: ProviderID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> ProviderHealth {
        let since = environment.clock.now().advanced(bySeconds: -3600)
        let test = try await environment.read(.providersRead, in: .owner(owner), by: caller) { connection in
            _ = try found(try await ProviderStore.find(id, of: owner, connection))
            return try await ProviderStore.test(of: id, ownedBy: owner, connection)
        }
        // A shared provider's calls are in all tenants' usage; of them only sums are told.
        let recent = try await environment.viewAcrossTenants { connection in
            try await ProviderStore.recentCalls(of: id, tenant: owner, since: since, connection)
        }
        return ProviderHealth(
            lastTest: test, recentCalls: recent.calls, recentFailures: recent.failed)
    }

    private func probe(_ provider: Provider, _ credential: Secret?) async -> ProviderTestReport {
        let now = environment.clock.now()
        func report(
            _ outcome: ProviderTest.Outcome, _ problem: String, status: Int? = nil, took: Int64 = 0,
            models: [String]? = nil
        ) -> ProviderTestReport {
            ProviderTestReport(
                test: ProviderTest(
                    testedAt: now, outcome: outcome, status: status.map { Int32(clamping: $0) },
                    latencyMilliseconds: Int32(clamping: took),
                    models: models.map { Int32(clamping: $0.count) }, problem: problem),
                models: models ?? [])
        }
        guard let path = provider.kind.modelsPath(provider.options) else {
            return report(
                .failed,
                "\(provider.kind.displayName) has no list of models to ask for with a credential alone")
        }
        if credential == nil && !provider.kind.isOpen {
            return report(.failed, "there is no enabled credential: add one")
        }
        var headers = provider.headers
        if provider.kind == .anthropic,
            !headers.contains(where: { $0.name.lowercased() == "anthropic-version" })
        {
            headers.append(ExtraHeader(name: "anthropic-version", value: "2023-06-01"))
        }
        let answer = await environment.probe(
            ProviderProbe(
                url: provider.baseURL.description + path,
                credentialField: provider.kind.credentialHeader ?? "authorization",
                credentialPrefix: provider.kind.credentialHeader == nil ? "Bearer " : "",
                credential: credential, headers: headers, proxy: provider.proxy,
                timeoutMilliseconds: min(provider.timeouts.total, ProviderProbe.longestMilliseconds)))
        switch answer {
        case .unreachable(let why): return report(.unreachable, String(why.prefix(500)))
        case .answered(let status, let body, let took):
            if status == 401 || status == 403 {
                return report(
                    .credentialRejected, "the provider refuses the credential: replace it", status: status,
                    took: took)
            }
            guard (200...299).contains(status) else {
                return report(.failed, "the provider answered \(status)", status: status, took: took)
            }
            guard let names = Self.modelNames(body) else {
                let problem = "the answer is no list of models: check the kind and the base URL"
                return report(.failed, problem, status: status, took: took)
            }
            return report(.passed, "", status: status, took: took, models: names)
        }
    }

    /// The names in a list of models: OpenAI's and Anthropic's `data[].id`, Gemini's and Ollama's
    /// `models[].name`. nil when it is neither. At most 500; what is no model's name is left out.
    static func modelNames(_ body: [UInt8]) -> [String]? {
        guard let json = try? JSONValue.parse(body) else { return nil }
        let names: [String]
        if let data = json["data"]?.array {
            names = data.compactMap { $0["id"]?.string }
        } else if let models = json["models"]?.array {
            names = models.compactMap { $0["name"]?.string }.map {
                $0.hasPrefix("models/") ? String($0.dropFirst(7)) : $0
            }
        } else {
            return nil
        }
        return Array(names.filter { TextRule.modelName.check($0, at: "") == nil }.prefix(500))
    }
}
