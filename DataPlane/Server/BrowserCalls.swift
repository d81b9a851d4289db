import HTTPServing
import Relay

extension CrossOrigin {
    /// Of a gateway: what SDKs in a browser send and read.
    static func gateway(_ origins: [String]) -> CrossOrigin {
        CrossOrigin(
            origins: origins, methods: "GET, HEAD, POST",
            requestFields: """
                authorization, content-type, x-api-key, x-goog-api-key, anthropic-version, anthropic-beta, \
                openai-organization, openai-project, idempotency-key
                """,
            answerFields: """
                x-request-id, retry-after, x-eclusa-route, x-eclusa-model, x-eclusa-provider, \
                x-eclusa-attempts, x-eclusa-cost, x-eclusa-cost-state, x-eclusa-error-code, \
                x-eclusa-error-origin, x-eclusa-snapshot
                """)
    }

    /// Answers a preflight, or lets the gateway answer, with what a page's browser has to be told.
    func serve(_ exchange: Exchange, by gateway: Gateway) async {
        guard let origin = allowed(exchange) else { return await gateway.handle(exchange) }
        exchange.everyAnswer = fields(for: origin)
        guard Self.isPreflight(exchange) else { return await gateway.handle(exchange) }
        try? await exchange.respond(status: 204, fields: preflightFields)
    }
}
