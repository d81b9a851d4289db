import Admission
import Contract
import Dialects
import Domain
import HTTPCalling
import HTTPWire
import JSONText

extension ChatReply {
    /// Receives an answer that is no stream, as a whole: it is passed on when it is complete and paid for.
    func passOnWhole(
        _ connection: ClientConnection, from upstream: Upstream, _ call: OpenAIChatRequest
    ) async -> CallOutcome {
        let whole: UnsafeRawBufferPointer
        do throws(CallError) {
            if let bytes = try connection.wholeBodyAtHand(limit: gateway.limits.answerBodyBytes) {
                whole = bytes
            } else {
                whole = try await receiveWhole(connection)
            }
        } catch { return fail(CallFailure(upstream: error), upstream.target) }
        return conclude(whole, connection, upstream, call)
    }

    @inline(never)
    private func conclude(
        _ whole: UnsafeRawBufferPointer, _ connection: ClientConnection, _ upstream: Upstream,
        _ call: OpenAIChatRequest
    ) -> CallOutcome {
        let answer: OpenAIChatAnswer
        do throws(JSONError) {
            answer = try OpenAIChatAnswer(parsing: whole)
        } catch {
            let code: ErrorCode = connection.framing == .untilClose ? .upstreamCut : .upstreamInvalid
            let message = "The provider's answer was not valid JSON."
            return fail(CallFailure(code, message: message), upstream.target)
        }
        if answer.holdsError {
            return fail(Self.failure(inside: whole, secrets: upstream.secrets), upstream.target)
        }
        noteFirstByte()
        rest = .plain(whole)
        var usage = answer.usage ?? ReportedUsage(usage: .zero, hasInput: false, hasOutput: false)
        if case .embeddings = work { usage = usage.withoutOutput }
        return outcome(
            .completed, upstream.target,
            usage: usage.completed(
                estimatedInput: Self.tokens(call.promptBytes),
                estimatedOutput: Self.tokens(answer.choicesBytes)),
            isEstimated: !usage.isComplete, status: connection.head.status)
    }

    /// All of the content: where it was received if it came in one piece, else put together in `body`.
    func receiveWhole(
        _ connection: ClientConnection
    ) async throws(CallError) -> UnsafeRawBufferPointer {
        let limit = gateway.limits.answerBodyBytes
        if case .length(let length) = connection.framing, length > limit { throw .tooLarge }
        guard let first = try await connection.nextBody() else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        if connection.isBodyComplete { return first }
        body.removeAll()
        body.append(first)
        while let part = try await connection.nextBody() {
            guard part.count <= limit - body.count else { throw .tooLarge }
            body.append(part)
        }
        return body.view
    }

    /// An error that came under a status of success is the provider's failure all the same.
    private static func failure(inside body: UnsafeRawBufferPointer, secrets: [String]) -> CallFailure {
        var failure = CallFailure(.providerError)
        failure.origin = .provider
        if let error = OpenAIError(provider: body, status: failure.status, secrets: secrets) {
            failure.error = error
        }
        return failure
    }

    /// Four bytes a token, rounded up: the estimate where no figure was given.
    static func tokens(_ bytes: Int) -> Int64 { Int64((bytes + 3) / 4) }
}
