/// One entry of the error catalogue: what programs read, what people read, and who can do something about it.
///
/// Both planes answer with these and nothing else; `docs/errors.md` is rendered from `all`. Private detail
/// (causes, addresses, SQL) never goes here: it belongs in the log, under the request id.
package struct ErrorCode: Hashable, Sendable {
    /// Who has to act for the next try to succeed.
    package enum Audience: String, Sendable, CaseIterable {
        /// Whoever wrote the request: change it.
        case caller
        /// An administrator of the tenant: change keys, routes or providers.
        case administrator
        /// Whoever runs Eclusa: look at health, logs and capacity.
        case `operator`
        /// The upstream provider.
        case provider
    }

    package enum Surface: String, Sendable, CaseIterable {
        case both, admin, gateway, node
    }

    /// Snake case; never changed after a release.
    package let code: String
    package let status: Int
    /// Whether the same request may succeed later without anybody changing it.
    package let isRetryable: Bool
    /// A sentence fit for anybody: no secrets, no internals.
    package let safeText: String
    package let audience: Audience
    package let surface: Surface

    init(
        _ code: String, _ status: Int, retryable: Bool = false, _ audience: Audience, _ surface: Surface,
        _ safeText: String
    ) {
        self.code = code
        self.status = status
        self.isRetryable = retryable
        self.safeText = safeText
        self.audience = audience
        self.surface = surface
    }

    package static func == (left: Self, right: Self) -> Bool { left.code == right.code }
    package func hash(into hasher: inout Hasher) { hasher.combine(code) }

    /// Every code there is, in the order of the catalogue.
    package static let all: [ErrorCode] = request + admin + node + gateway

    /// The entry a code names, or nil.
    package static func named(_ code: String) -> ErrorCode? { byCode[code] }

    private static let byCode = Dictionary(uniqueKeysWithValues: all.map { ($0.code, $0) })
}

// MARK: - Requests, on every surface

extension ErrorCode {
    package static let badRequest = ErrorCode(
        "bad_request", 400, .caller, .both, "The request is not valid HTTP/1.1.")
    package static let invalidTarget = ErrorCode(
        "invalid_target", 400, .caller, .both, "The request target is not valid.")
    package static let invalidJSON = ErrorCode(
        "invalid_json", 400, .caller, .both, "The body is not valid JSON.")
    package static let invalidRequest = ErrorCode(
        "invalid_request", 400, .caller, .both, "The request has missing, unknown or wrong fields.")
    package static let notFound = ErrorCode("not_found", 404, .caller, .both, "There is nothing here.")
    package static let methodNotAllowed = ErrorCode(
        "method_not_allowed", 405, .caller, .both,
        "This path does not take this method; see the Allow header.")
    package static let requestTimeout = ErrorCode(
        "request_timeout", 408, retryable: true, .caller, .both, "The request did not arrive in time.")
    package static let payloadTooLarge = ErrorCode(
        "payload_too_large", 413, .caller, .both, "The body is larger than this endpoint takes.")
    package static let targetTooLong = ErrorCode(
        "target_too_long", 414, .caller, .both, "The request target is longer than 8 KiB.")
    package static let unsupportedMediaType = ErrorCode(
        "unsupported_media_type", 415, .caller, .both,
        "The content type is not taken here; send application/json.")
    package static let expectationFailed = ErrorCode(
        "expectation_failed", 417, .caller, .both, "Only the expectation 100-continue is supported.")
    package static let headersTooLarge = ErrorCode(
        "headers_too_large", 431, .caller, .both,
        "The request head is larger than 64 KiB or has over 100 fields.")
    package static let internalError = ErrorCode(
        "internal", 500, retryable: true, .operator, .both, "Something went wrong on our side.")
    package static let notImplemented = ErrorCode(
        "not_implemented", 501, .caller, .both, "The request uses a method or a coding that is not supported."
    )
    package static let unavailable = ErrorCode(
        "unavailable", 503, retryable: true, .operator, .both, "The service is not ready; try again shortly.")
    package static let overloaded = ErrorCode(
        "overloaded", 503, retryable: true, .operator, .both,
        "The service has too much to do; try again shortly.")
    package static let deadlineExceeded = ErrorCode(
        "deadline_exceeded", 504, retryable: true, .operator, .both, "The request took longer than it may.")
    package static let httpVersionNotSupported = ErrorCode(
        "http_version_not_supported", 505, .caller, .both, "Speak HTTP/1.1 or HTTP/1.0.")

    private static let request = [
        badRequest, invalidTarget, invalidJSON, invalidRequest, notFound, methodNotAllowed, requestTimeout,
        payloadTooLarge, targetTooLong, unsupportedMediaType, expectationFailed, headersTooLarge,
        internalError,
        notImplemented, unavailable, overloaded, deadlineExceeded, httpVersionNotSupported,
    ]
}

// MARK: - The admin API

extension ErrorCode {
    package static let unauthenticated = ErrorCode(
        "unauthenticated", 401, .caller, .admin,
        "Sign in: the token of the request is missing, unknown, or no longer good.")
    package static let invalidCredentials = ErrorCode(
        "invalid_credentials", 401, .caller, .admin,
        "What should prove who you are, such as a password or a code, is wrong.")
    package static let linkInvalid = ErrorCode(
        "link_invalid", 400, .caller, .admin,
        "This link is wrong, was used, or has expired; ask for a new one.")
    package static let secondFactorRequired = ErrorCode(
        "second_factor_required", 403, .caller, .admin,
        "This place asks for a second factor: enrol one, and come back.")
    package static let tokenExpired = ErrorCode(
        "token_expired", 401, .caller, .admin, "The access token has expired; refresh it or sign in again.")
    package static let forbidden = ErrorCode(
        "forbidden", 403, .administrator, .admin, "Your roles do not include the permission this needs.")
    package static let conflict = ErrorCode(
        "conflict", 409, .caller, .admin, "This collides with something that exists.")
    package static let inUse = ErrorCode(
        "in_use", 409, .caller, .admin, "Something else still refers to this.")
    package static let alreadyRevoked = ErrorCode(
        "already_revoked", 409, .caller, .admin, "It is revoked already.")
    package static let idempotencyMismatch = ErrorCode(
        "idempotency_mismatch", 422, .caller, .admin, "This Idempotency-Key was used with another body.")
    package static let secretAlreadyShown = ErrorCode(
        "secret_already_shown", 409, .caller, .admin, "The secret of this answer was shown once and is gone.")
    package static let preconditionFailed = ErrorCode(
        "precondition_failed", 412, .caller, .admin, "It was changed meanwhile; read it again.")
    package static let rateLimited = ErrorCode(
        "rate_limited", 429, retryable: true, .caller, .both, "Too many requests; see Retry-After.")

    private static let admin = [
        unauthenticated, invalidCredentials, linkInvalid, secondFactorRequired, tokenExpired, forbidden,
        conflict, inUse, alreadyRevoked, idempotencyMismatch, secretAlreadyShown, preconditionFailed,
        rateLimited,
    ]
}

// MARK: - The node protocol

extension ErrorCode {
    package static let joinTokenInvalid = ErrorCode(
        "join_token_invalid", 401, .operator, .node,
        "The join token is unknown, used or expired; make a new one.")
    package static let nodeUnknown = ErrorCode(
        "node_unknown", 401, .operator, .node, "No node is registered with this certificate's key; enroll it."
    )
    package static let nodeRevoked = ErrorCode(
        "node_revoked", 403, .operator, .node, "This node was revoked.")
    package static let nodeDuplicate = ErrorCode(
        "node_duplicate", 409, .operator, .node, "Another live process uses this node's identity.")
    package static let batchInvalid = ErrorCode(
        "batch_invalid", 400, .operator, .node, "The usage batch does not match its own hash, count or total."
    )

    private static let node = [
        joinTokenInvalid, nodeUnknown, nodeRevoked, nodeDuplicate, batchInvalid,
    ]
}

// MARK: - The gateway

extension ErrorCode {
    package static let invalidAPIKey = ErrorCode(
        "invalid_api_key", 401, .caller, .gateway, "The API key is missing or not valid.")
    package static let keyRevoked = ErrorCode(
        "key_revoked", 401, .administrator, .gateway, "The API key was revoked.")
    package static let keyExpired = ErrorCode(
        "key_expired", 401, .administrator, .gateway, "The API key has expired.")
    package static let keyNotYetValid = ErrorCode(
        "key_not_yet_valid", 401, .administrator, .gateway, "The API key is not valid yet.")
    package static let tenantSuspended = ErrorCode(
        "tenant_suspended", 403, .administrator, .gateway, "The account of this API key is suspended.")
    package static let keyRotated = ErrorCode(
        "key_rotated", 401, .administrator, .gateway,
        "The secret of this API key was replaced; use the new one.")
    package static let snapshotStale = ErrorCode(
        "snapshot_stale", 503, retryable: true, .operator, .gateway,
        "The API key is strict, and this node has not heard from its control plane for too long.")
    package static let addressNotAllowed = ErrorCode(
        "address_not_allowed", 403, .administrator, .gateway,
        "The API key may not be used from this address.")
    package static let regionNotAllowed = ErrorCode(
        "region_not_allowed", 403, .caller, .gateway,
        "The calls of this API key are served in another region; call a node there.")
    package static let endpointNotAllowed = ErrorCode(
        "endpoint_not_allowed", 403, .administrator, .gateway, "The API key may not use this endpoint.")
    package static let routeNotAllowed = ErrorCode(
        "route_not_allowed", 403, .administrator, .gateway, "The API key may not use this model.")
    package static let modelNotAllowed = ErrorCode(
        "model_not_allowed", 403, .administrator, .gateway,
        "The API key may not use any of the models behind this name.")
    package static let routeNotFound = ErrorCode(
        "route_not_found", 404, .caller, .gateway,
        "There is no model of this name; GET /v1/models lists them.")
    package static let modelRequired = ErrorCode(
        "model_required", 400, .caller, .gateway, "The body must name a model.")
    package static let budgetExceeded = ErrorCode(
        "budget_exceeded", 402, .administrator, .gateway,
        "A budget of this API key is spent until its window ends.")
    package static let budgetContended = ErrorCode(
        "budget_contended", 429, retryable: true, .caller, .gateway,
        "What is left of a budget is held by calls under way; see Retry-After.")
    package static let guardrailBlocked = ErrorCode(
        "guardrail_blocked", 400, .caller, .gateway,
        "A guardrail of the account of this API key does not let this content through.")
    package static let guardrailUnavailable = ErrorCode(
        "guardrail_unavailable", 503, retryable: true, .administrator, .gateway,
        "A guardrail of the account of this API key could not be asked, and lets nothing through meanwhile.")
    package static let providerCredentialsRejected = ErrorCode(
        "provider_credentials_rejected", 502, .administrator, .gateway,
        "The provider refused the credentials configured for it.")
    package static let providerError = ErrorCode(
        "provider_error", 502, retryable: true, .provider, .gateway, "The provider answered with an error.")
    package static let providerRateLimited = ErrorCode(
        "provider_rate_limited", 429, retryable: true, .provider, .gateway,
        "The provider's own rate limit was reached; see Retry-After.")
    package static let upstreamUnreachable = ErrorCode(
        "upstream_unreachable", 502, retryable: true, .provider, .gateway,
        "The provider could not be reached.")
    package static let upstreamForbidden = ErrorCode(
        "upstream_forbidden", 502, .operator, .gateway,
        "The provider's address is not one this gateway may connect to.")
    package static let upstreamInvalid = ErrorCode(
        "upstream_invalid", 502, retryable: true, .provider, .gateway,
        "The provider's answer was not valid HTTP.")
    package static let upstreamCut = ErrorCode(
        "upstream_cut", 502, retryable: true, .provider, .gateway, "The provider's answer ended too early.")
    package static let upstreamTimeout = ErrorCode(
        "upstream_timeout", 504, retryable: true, .provider, .gateway, "The provider did not answer in time.")
    package static let noTarget = ErrorCode(
        "no_target", 503, retryable: true, .administrator, .gateway,
        "No target of this model can be used now.")
    package static let draining = ErrorCode(
        "draining", 503, retryable: true, .operator, .gateway, "This node is shutting down; try again.")
    package static let outboxFull = ErrorCode(
        "outbox_full", 503, retryable: true, .operator, .gateway,
        "This node cannot record usage now, so it takes no calls.")
    package static let snapshotMissing = ErrorCode(
        "snapshot_missing", 503, retryable: true, .operator, .gateway,
        "This node has not received its configuration yet.")

    private static let gateway = [
        invalidAPIKey, keyRevoked, keyExpired, keyNotYetValid, keyRotated, tenantSuspended, snapshotStale,
        addressNotAllowed, regionNotAllowed, endpointNotAllowed, routeNotAllowed, modelNotAllowed,
        routeNotFound, modelRequired, budgetExceeded, budgetContended, guardrailBlocked,
        guardrailUnavailable, providerCredentialsRejected, providerError, providerRateLimited,
        upstreamUnreachable,
        upstreamForbidden, upstreamInvalid, upstreamCut, upstreamTimeout, noTarget, draining, outboxFull,
        snapshotMissing,
    ]
}
