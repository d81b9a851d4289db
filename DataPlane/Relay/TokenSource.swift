import Cryptography
import Domain
import EventLoops
import HTTPCalling
import HTTPWire
import Transport

/// The access token of one service account on one loop: got when it is first wanted, kept until shortly
/// before it ends. Calls that want one together wait for one exchange. Loop thread.
final class TokenSource {
    private static let scope = "https://www.googleapis.com/auth/cloud-platform"
    /// A token is left alone this long before its end, so that none runs out on its way.
    private static let marginSeconds: Int64 = 120
    /// An exchange that failed is not tried again for this long.
    private static let pauseNanoseconds: Int64 = 1_000_000_000
    private static let timeoutNanoseconds: Int64 = 10_000_000_000

    private let key: ServiceAccountKey
    private let calling: UpstreamCalling
    private let proxy: ProxyAddress?
    private var token: (text: Secret, until: Int64)?
    private var failure: (CallFailure, until: Int64)?
    private let exchanging = LoopMutex()
    /// Exchanges made, for tests.
    private(set) var exchanges = 0

    init(_ key: ServiceAccountKey, _ calling: UpstreamCalling, proxy: ProxyAddress?) {
        self.key = key
        self.calling = calling
        self.proxy = proxy
    }

    /// Throws `providerCredentialsRejected` when the endpoint refuses the account, else what kept it from
    /// answering.
    func token(at now: Timestamp) async throws(CallFailure) -> Secret {
        let loop = calling.client.loop
        if let token, loop.now < token.until { return token.text }
        await exchanging.acquire()
        defer { exchanging.release() }
        if let token, loop.now < token.until { return token.text }
        if let failure, loop.now < failure.until { throw failure.0 }
        do throws(CallFailure) {
            let made = try await exchange(at: now)
            let lifetime = max(0, made.seconds - Self.marginSeconds)
            token = (made.text, loop.now + lifetime * 1_000_000_000)
            failure = nil
            return made.text
        } catch {
            failure = (error, loop.now + Self.pauseNanoseconds)
            throw error
        }
    }

    /// The provider refused the token: the next call gets another.
    func forget() { token = nil }

    private func exchange(at now: Timestamp) async throws(CallFailure) -> AccessToken {
        exchanges += 1
        let form: String
        do throws(CryptographyError) {
            form = try key.tokenRequest(scope: Self.scope, at: now.microseconds / 1_000_000)
        } catch { throw CallFailure(.providerCredentialsRejected) }
        let response: Response
        do throws(CallError) {
            response = try await calling.client.request(
                .post, key.tokenURL,
                fields: ["content-type": "application/x-www-form-urlencoded", "user-agent": "eclusa"],
                body: Array(form.utf8), tls: calling.tls, proxy: proxy,
                timeoutNanoseconds: Self.timeoutNanoseconds, maximumBody: 64 * 1024)
        } catch { throw CallFailure(upstream: error) }
        switch response.status {
        case 200:
            guard let token = AccessToken(response.body) else { throw CallFailure(.upstreamInvalid) }
            return token
        case 400..<500: throw CallFailure(.providerCredentialsRejected)
        default: throw CallFailure(.upstreamUnreachable)
        }
    }
}
