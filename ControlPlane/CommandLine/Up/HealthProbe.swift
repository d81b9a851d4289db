import HTTPCalling
import HTTPWire

/// Asks a listener whether it is ready; any failure means no.
struct HealthProbe {
    let http: HTTPClient

    func isReady(_ url: String, bearer: String? = nil) async -> Bool {
        var fields = HeaderFields()
        if let bearer { fields.append("authorization", "Bearer \(bearer)") }
        let answer = try? await http.request(
            .get, url, fields: fields, body: [], tls: nil, timeoutNanoseconds: 2_000_000_000,
            maximumBody: 1 << 20)
        return answer?.status == 200
    }
}
