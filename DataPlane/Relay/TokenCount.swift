import Admission
import Dialects
import Domain
import Feed
import HTTPServing
import HTTPWire
import JSONText
import Policy

extension Gateway {
    /// How many tokens a prompt has, in Anthropic's and Gemini's form: four bytes of JSON text a token. An
    /// estimate, and the answer's `x-eclusa-cost-state` says so; nothing is dialled and nothing is billed.
    func countTokens(_ exchange: Exchange, in dialect: ClientDialect, of pathModel: String?) async {
        do throws(CallFailure) {
            let serving = try world()
            let key = try recognise(exchange, for: .chat, in: serving)
            guard let body = try await read(exchange) else { return }
            let (model, promptBytes) = try Self.prompt(of: body, in: dialect, model: pathModel)
            guard let route = key.tenant.route(named: model) else {
                throw CallFailure(.routeNotFound, parameter: "model")
            }
            guard key.allows(route) else { throw CallFailure(.routeNotAllowed) }
            let tokens = JSONNumber(ChatReply.tokens(promptBytes))
            let answer: JSONValue =
                dialect == .gemini ? ["totalTokens": .number(tokens)] : ["input_tokens": .number(tokens)]
            try? await exchange.respond(
                status: 200,
                fields: [
                    "content-type": "application/json", "x-eclusa-cost-state": "estimated",
                    "x-eclusa-snapshot": "\(serving.version)",
                ], body: answer.bytes)
        } catch { await refuse(exchange, error, in: dialect) }
    }

    private static func prompt(
        of body: UnsafeRawBufferPointer, in dialect: ClientDialect, model: String?
    ) throws(CallFailure) -> (model: String, bytes: Int) {
        do throws(RequestProblem) {
            let form: CallForm = dialect == .gemini ? .gemini(.events) : .anthropic
            let call = try ClientCall(parsing: body, for: .generation(form), model: model)
            // Gemini's callers may wrap the whole request they ask about.
            return (call.modelName, call.promptBytes > 0 ? call.promptBytes : body.count)
        } catch { throw CallFailure(error) }
    }
}
