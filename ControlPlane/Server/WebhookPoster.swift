import EventLoops
import HTTPCalling
import HTTPWire
import Operations
import Transport

/// Sends messages to webhooks: out through the egress policy, never following anything. Lives on its loop.
final class WebhookPoster {
    private let client: HTTPClient
    private let tls: TLSContext?

    init(_ shared: SharedParts, loop: EventLoop) {
        client = HTTPClient(
            loop: loop, dialer: Dialer(loop: loop, resolver: shared.resolver, policy: shared.egress))
        // Without the system's authorities `https` endpoints are told to be unreachable, and why.
        tls = try? TLSContext.client()
    }

    func post(_ post: WebhookPost) async -> WebhookPost.Answer {
        var fields = HeaderFields()
        for (name, value) in post.fields { fields.append(name, value) }
        do throws(CallError) {
            let response = try await client.request(
                .post, post.url, fields: fields, body: post.body, tls: tls,
                timeoutNanoseconds: Int64(WebhookPost.timeoutMilliseconds) * 1_000_000,
                maximumBody: WebhookPost.maximumBody)
            return .answered(status: response.status)
        } catch {
            return .unreachable(Self.reason(error))
        }
    }

    /// For people who look at what became of a message.
    private static func reason(_ error: CallError) -> String {
        switch error {
        case .connect(let why): "cannot connect: \(why)"
        case .timedOut: "no whole answer within \(WebhookPost.timeoutMilliseconds / 1000) s"
        case .endedBeforeAnswer, .cut: "the connection ended before the answer did"
        case .tls(let why): "TLS failed: \(why)"
        case .tooLarge: "the answer has more than \(WebhookPost.maximumBody) bytes"
        default: "\(error)"
        }
    }
}
