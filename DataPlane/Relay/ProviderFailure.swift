import Dialects
import Domain
import HTTPCalling
import HTTPWire

/// What an error answer of a provider means for the caller.
enum ProviderFailure {
    /// An error body beyond this is not looked at.
    static let maximumBodyBytes = 64 * 1024

    /// What of the head is needed once the body is read: its bytes are gone by then.
    struct Head {
        let status: Int
        let retryAfter: String?
        let retryAfterMilliseconds: String?

        init(_ connection: ClientConnection) {
            let head = connection.headBytes
            status = connection.head.status
            func digits(_ field: KnownField) -> String? {
                guard let value = connection.head.fields.value(field, in: head), (1...9).contains(value.count)
                else { return nil }
                // A number of seconds, possibly with a fraction; dates are left out: clocks differ.
                guard value.allSatisfy({ (48...57).contains($0) || $0 == UInt8(ascii: ".") }) else {
                    return nil
                }
                return String(decoding: value, as: UTF8.self)
            }
            retryAfter = digits(.retryAfter)
            retryAfterMilliseconds = digits(.retryAfterMilliseconds)
        }
    }

    /// Reads the body and decides. Provider texts go on without anything that looks like a credential.
    static func read(_ connection: ClientConnection, secrets: [String]) async -> CallFailure {
        let head = Head(connection)
        var body = GrowableBytes()
        do {
            while let part = try await connection.nextBody(), body.count < maximumBodyBytes {
                body.append(part)
            }
        } catch {
            // The status is what counts; half a text is none.
            body.removeAll()
        }
        return failure(head, body: body.view, secrets: secrets)
    }

    static func failure(_ head: Head, body: UnsafeRawBufferPointer, secrets: [String]) -> CallFailure {
        switch head.status {
        case 401, 402, 403:
            // Our credential's fault, not the caller's; providers quote keys here, so not one word goes on.
            var failure = CallFailure(.providerCredentialsRejected)
            failure.isQuota = head.status == 402
            return failure
        case 400, 404, 413, 422, 429, 500...599: break
        default: return CallFailure(head.status < 400 ? .upstreamInvalid : .providerError)
        }
        let hints = ProviderHints(body)
        if head.status == 400, hints.isAboutOurKey { return CallFailure(.providerCredentialsRejected) }
        let code: ErrorCode = head.status == 429 ? .providerRateLimited : .providerError
        var failure = CallFailure(code)
        failure.origin = .provider
        failure.status = head.status
        let text = OpenAIError(provider: body, status: head.status, secrets: secrets)
        failure.error =
            text
            ?? OpenAIError(
                message: code.safeText, type: OpenAIError.type(ofStatus: head.status), code: code.code)
        failure.retryAfter = head.retryAfter ?? hints.retryAfter
        failure.retryAfterMilliseconds = head.retryAfterMilliseconds
        failure.isQuota = (head.status == 429 || head.status == 400) && isQuota(failure.error)
        return failure
    }

    /// Whether an error says that our account is used up. OpenAI says so under 429, Anthropic under 400; both
    /// wait for whoever pays, not for time.
    private static func isQuota(_ error: OpenAIError) -> Bool {
        let words = ["insufficient_quota", "billing_hard_limit_reached", "insufficient_credits"]
        if words.contains(error.code ?? "") || words.contains(error.type) { return true }
        return error.message.lowercased().contains("credit balance is too low")
    }
}
