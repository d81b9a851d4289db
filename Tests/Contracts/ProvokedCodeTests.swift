import Domain
import Glibc
import Testing

/// Every error of the catalogue is had over HTTP by some test. A new code needs its row here.
@Suite("errors that are provoked")
struct ProvokedCodeTests {
    struct Provocation: Sendable {
        /// Below `Tests/`.
        let file: String
        /// As its `@Test` says it.
        let title: String
        let codes: [String]
    }

    static let all = [
        Provocation(
            file: "APITests/CatalogueTests.swift",
            title: "every code the admin API has in the catalogue can be had from it",
            codes: [
                "invalid_json", "invalid_request", "not_found", "method_not_allowed", "payload_too_large",
                "unsupported_media_type", "internal", "unavailable", "overloaded", "deadline_exceeded",
                "unauthenticated", "invalid_credentials", "token_expired", "forbidden", "conflict", "in_use",
                "already_revoked", "idempotency_mismatch", "secret_already_shown", "precondition_failed",
                "rate_limited",
            ]),
        Provocation(
            file: "APITests/InvitationTests.swift",
            title: "the link dies by time, by revocation, by being sent again, and with the inviter's rights",
            codes: ["link_invalid"]),
        Provocation(
            file: "APITests/SecondFactorTests.swift",
            title: "where a tenant requires it, members without one may only enrol; elsewhere they go on",
            codes: ["second_factor_required"]),
        Provocation(
            file: "APITests/LimitTests.swift",
            title: "bytes that are no request are answered with a problem document too",
            codes: [
                "bad_request", "invalid_target", "request_timeout", "target_too_long", "expectation_failed",
                "headers_too_large", "not_implemented", "http_version_not_supported",
            ]),
        Provocation(
            file: "PublishingTests/BetweenPlanesTests.swift",
            title: "requests without a registered certificate, unknown paths",
            codes: ["node_unknown", "batch_invalid"]),
        Provocation(
            file: "PublishingTests/BetweenPlanesTests.swift",
            title: "a join token works once, for a while", codes: ["join_token_invalid"]),
        Provocation(
            file: "PublishingTests/BetweenPlanesTests.swift",
            title: "a revoked node is refused everywhere and its stream ends", codes: ["node_revoked"]),
        Provocation(
            file: "PublishingTests/BetweenPlanesTests.swift",
            title: "two live processes with one identity are told so", codes: ["node_duplicate"]),
        Provocation(
            file: "RelayTests/RefusalTests.swift",
            title: "a refused call has its status, its code and OpenAI's shape, and dials nobody",
            codes: [
                "invalid_api_key", "key_revoked", "key_expired", "key_not_yet_valid", "tenant_suspended",
                "key_rotated", "endpoint_not_allowed", "route_not_allowed", "model_not_allowed",
                "address_not_allowed", "region_not_allowed", "route_not_found", "model_required", "no_target",
                "snapshot_missing",
                "snapshot_stale",
            ]),
        Provocation(
            file: "RelayTests/RefusalTests.swift",
            title: "a full outbox refuses the next call rather than losing its usage",
            codes: ["outbox_full"]),
        Provocation(
            file: "RelayTests/RefusalTests.swift", title: "while the node ends, calls are refused",
            codes: ["draining"]),
        Provocation(
            file: "RelayTests/LimitTests.swift",
            title: "a call that its limits do not bear is refused, and dials nobody",
            codes: ["rate_limited", "budget_exceeded", "budget_contended"]),
        Provocation(
            file: "RelayTests/GuardrailCallTests.swift",
            title: "a request is refused in its dialect, and no provider hears of it",
            codes: ["guardrail_blocked"]),
        Provocation(
            file: "RelayTests/GuardrailWebhookTests.swift",
            title:
                "without an answer, closed keeps the request back and open lets it through",
            codes: ["guardrail_unavailable"]),
        Provocation(
            file: "RelayTests/UpstreamFailureTests.swift",
            title: "each failure has its answer and its entry in the books",
            codes: [
                "provider_credentials_rejected", "provider_error", "provider_rate_limited",
                "upstream_invalid",
                "upstream_cut", "upstream_timeout",
            ]),
        Provocation(
            file: "RelayTests/UpstreamFailureTests.swift",
            title: "a provider nobody can reach, or may, is a 502",
            codes: ["upstream_unreachable", "upstream_forbidden"]),
    ]

    @Test("every code of the catalogue has a test that gets it, and no test is said to get another")
    func complete() {
        let provoked = Set(Self.all.flatMap(\.codes))
        let known = Set(ErrorCode.all.map(\.code))
        #expect(known.subtracting(provoked) == [], "give these a test over HTTP, and name it here")
        #expect(provoked.subtracting(known) == [], "these are no codes")
    }

    @Test("the tests exist, and their files speak of the codes", arguments: all)
    func exists(_ provocation: Provocation) throws {
        let text = try Self.content("Tests/\(provocation.file)")
        #expect(text.contains(provocation.title), "\(provocation.file) has no test of this name")
        // The catalogue's own test goes through the catalogue instead of naming codes.
        guard provocation.file != "APITests/CatalogueTests.swift" else { return }
        for code in provocation.codes { #expect(text.contains(code), "\(code) in \(provocation.file)") }
    }

    static func content(_ path: String) throws -> String {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let file = try #require(fopen("\(root)/\(path)", "r"), "\(path) is missing")
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
