import Cryptography
import Domain
import EventLoops
import HTTPCalling
import HTTPWire
import Operations
import Transport

/// Makes the calls that test providers: out through the egress policy, never following anything. Lives on its
/// loop.
final class ProviderProber {
    private let client: HTTPClient
    private let tls: TLSContext?

    init(_ shared: SharedParts, loop: EventLoop) {
        client = HTTPClient(
            loop: loop, dialer: Dialer(loop: loop, resolver: shared.resolver, policy: shared.egress))
        // Without the system's authorities `https` providers are told to be unreachable, and why.
        tls = try? TLSContext.client()
    }

    func ask(_ probe: ProviderProbe) async -> ProviderProbe.Answer {
        var fields = HeaderFields()
        for header in probe.headers { fields.append(header.name, header.value) }
        fields.append("user-agent", "eclusa")
        if probe.form != nil { fields.append("content-type", "application/x-www-form-urlencoded") }
        let body = probe.form?.withBytes { Array($0) } ?? []
        if let credential = probe.credential {
            let text = credential.withBytes { String(decoding: $0, as: UTF8.self) }
            fields.append(probe.credentialField, probe.credentialPrefix + text)
        }
        let clock = ContinuousClock()
        let start = clock.now
        do throws(CallError) {
            let response = try await client.request(
                probe.form == nil ? .get : .post, probe.url, fields: fields, body: body, tls: tls,
                proxy: probe.proxy.map { ProxyAddress(host: $0.host, port: $0.port) },
                timeoutNanoseconds: Int64(probe.timeoutMilliseconds) * 1_000_000,
                maximumBody: ProviderProbe.maximumBody)
            let took = clock.now - start
            let milliseconds =
                took.components.seconds * 1000 + took.components.attoseconds / 1_000_000_000_000_000
            return .answered(status: response.status, body: response.body, milliseconds: milliseconds)
        } catch {
            return .unreachable("\(error)")
        }
    }
}
