import Contract
package import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// A real call to a provider: what to ask, where, and with which credential.
package struct ProviderProbe: Sendable {
    package let url: String
    /// Sent with POST when there is one: a form.
    package var form: Secret?
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
            return (
                provider, try await vault.open(stored.sealed, of: .provider(id), owner: owner, connection)
            )
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
        if credential == nil && !provider.kind.isOpen {
            return report(.failed, "there is no enabled credential: add one")
        }
        var headers = provider.headers
        if provider.kind == .anthropic,
            !headers.contains(where: { $0.name.lowercased() == "anthropic-version" })
        {
            headers.append(ExtraHeader(name: "anthropic-version", value: "2023-06-01"))
        }
        let answer: ProviderProbe.Answer
        switch await proof(of: credential, for: provider) {
        case .success(let proof):
            let url = provider.kind.modelsURL(provider.baseURL).description
            answer = await environment.probe(
                ProviderProbe(
                    url: url + provider.kind.modelsPath(provider.options),
                    credentialField: provider.kind.credentialHeader ?? "authorization",
                    credentialPrefix: proof.prefix, credential: proof.credential,
                    headers: headers + proof.headers, proxy: provider.proxy,
                    timeoutMilliseconds: min(provider.timeouts.total, ProviderProbe.longestMilliseconds)))
        case .failure(let failure): answer = failure.answer
        }
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

    /// What stands in the credential's header of one call.
    private struct Proof {
        var prefix = ""
        var credential: Secret?
        var headers: [ExtraHeader] = []
    }

    /// Why there is none: what the token endpoint answered.
    private struct ProofFailure: Error {
        let answer: ProviderProbe.Answer
    }

    private func proof(
        of credential: Secret?, for provider: Provider
    ) async -> Result<Proof, ProofFailure> {
        let now = environment.clock.now()
        guard let credential else { return .success(Proof()) }
        switch provider.kind.authentication {
        case .header: return .success(Proof(credential: credential))
        case .bearer: return .success(Proof(prefix: "Bearer ", credential: credential))
        case .signature:
            guard let key = AWSAccessKey(credential) else {
                return .success(Proof(prefix: "Bearer ", credential: credential))
            }
            return .success(Self.signature(by: key, for: provider, at: now))
        case .serviceAccount:
            guard let key = try? ServiceAccountKey(credential),
                let form = try? key.tokenRequest(
                    scope: "https://www.googleapis.com/auth/cloud-platform",
                    at: now.microseconds / 1_000_000)
            else { return .failure(ProofFailure(answer: .answered(status: 401, body: [], milliseconds: 0))) }
            let answer = await environment.probe(
                ProviderProbe(
                    url: key.tokenURL, form: Secret(utf8: form), credentialField: "authorization",
                    credentialPrefix: "", credential: nil, headers: [], proxy: provider.proxy,
                    timeoutMilliseconds: ProviderProbe.longestMilliseconds))
            guard case .answered(let status, let body, let took) = answer else {
                return .failure(ProofFailure(answer: answer))
            }
            guard status == 200, let token = AccessToken(body) else {
                // Token endpoints refuse an account with 400.
                let told = status == 400 ? 401 : status == 200 ? 502 : status
                return .failure(ProofFailure(answer: .answered(status: told, body: [], milliseconds: took)))
            }
            return .success(Proof(prefix: "Bearer ", credential: token.text))
        }
    }

    private static func signature(by key: AWSAccessKey, for provider: Provider, at now: Timestamp) -> Proof {
        let url = provider.kind.modelsURL(provider.baseURL)
        let signer = AWSRequestSigner(
            key: key, region: provider.options["region"] ?? "", service: "bedrock")
        var headers = [ExtraHeader(name: "x-amz-date", value: now.basicDescription)]
        if let token = signer.sessionToken {
            headers.append(ExtraHeader(name: "x-amz-security-token", value: token))
        }
        let authorization = signer.authorization(
            method: "GET", target: url.path + provider.kind.modelsPath(provider.options),
            fields: headers.map { (name: $0.name, value: $0.value) } + [(name: "host", value: url.authority)],
            payload: sha256([]), date: now.basicDescription)
        return Proof(credential: Secret(utf8: authorization), headers: headers)
    }

    /// The names in a list of models: OpenAI's and Anthropic's `data[].id`, Gemini's and Ollama's
    /// `models[].name`, Bedrock's `modelSummaries[].modelId`, Vertex' `publisherModels[].name`. nil when it
    /// is none. At most 500; what is no model's name is left out.
    static func modelNames(_ body: [UInt8]) -> [String]? {
        guard let json = try? JSONValue.parse(body) else { return nil }
        let names: [String]
        if let data = json["data"]?.array {
            names = data.compactMap { $0["id"]?.string }
        } else if let models = json["models"]?.array {
            names = models.compactMap { $0["name"]?.string }.map {
                $0.hasPrefix("models/") ? String($0.dropFirst(7)) : $0
            }
        } else if let models = json["modelSummaries"]?.array {
            names = models.compactMap { $0["modelId"]?.string }
        } else if let models = json["publisherModels"]?.array {
            names = models.compactMap { $0["name"]?.string?.split(separator: "/").last.map(String.init) }
        } else {
            return nil
        }
        return Array(names.filter { TextRule.modelName.check($0, at: "") == nil }.prefix(500))
    }
}
