import Domain
import HTTPWire
import JSONText

/// Which refusals a route can answer, as far as the table says; for the description of the API.
struct OpenAPIErrors {
    /// Every code of a route, in the order of the catalogue.
    func codes(of route: AdminRoute) -> [ErrorCode] {
        var codes: Set<ErrorCode> = [
            .invalidRequest, .targetTooLong, .rateLimited, .internalError, .unavailable, .overloaded,
            .deadlineExceeded,
        ]
        if route.body != nil { codes.formUnion([.invalidJSON, .payloadTooLarge, .unsupportedMediaType]) }
        switch route.access {
        case .public:
            if route.isWrite {
                codes.formUnion([.unauthenticated, .invalidCredentials, .linkInvalid, .forbidden])
            }
        case .signedIn:
            codes.formUnion([.unauthenticated, .tokenExpired, .forbidden])
            if route.isWrite { codes.insert(.linkInvalid) }
        case .needs:
            codes.formUnion([
                .unauthenticated, .tokenExpired, .forbidden, .notFound, .secondFactorRequired,
            ])
        }
        if !route.pathParameters.isEmpty { codes.insert(.notFound) }
        if route.isWrite { codes.formUnion([.conflict, .invalidCredentials, .preconditionFailed]) }
        if route.method == .delete || route.method == .post { codes.formUnion([.inUse, .alreadyRevoked]) }
        if route.takesTerms && route.method == .post {
            codes.insert(.idempotencyMismatch)
            if route.answer.holdsSecret { codes.insert(.secretAlreadyShown) }
        }
        return ErrorCode.all.filter(codes.contains)
    }

    /// The answers of a route that are not a success: one entry a status.
    func responses(of route: AdminRoute) -> [(status: String, reference: JSONValue)] {
        var statuses: [Int] = []
        for code in codes(of: route) where !statuses.contains(code.status) { statuses.append(code.status) }
        if route.form == .scim {
            return (statuses.sorted().map { String($0) } + ["default"]).map {
                ($0, Self.reference("SCIMError"))
            }
        }
        return statuses.sorted().map { (String($0), Self.reference("Problem\($0)")) }
            + [("default", Self.reference("Problem"))]
    }

    private static func reference(_ name: String) -> JSONValue {
        ["$ref": .string("#/components/responses/\(name)")]
    }

    /// What the references lead to: a problem document for each status, with the codes it may have.
    func components(for routes: [AdminRoute]) -> JSONObject {
        var components = JSONObject()
        components["Problem"] = Self.problem("Something is wrong: a problem document (RFC 9457).", [])
        components["SCIMError"] = [
            "description": .string(
                "Something is wrong: an error of SCIM (RFC 7644 §3.12), or, when it is no request at all, a "
                    + "problem document."),
            "content": [
                AdminRoute.Form.scim.mediaType: ["schema": ["$ref": "#/components/schemas/SCIMError"]],
                ErrorEdge.mediaType: ["schema": ["$ref": "#/components/schemas/Problem"]],
            ],
        ]
        let used = ErrorCode.all.filter { code in routes.contains { codes(of: $0).contains(code) } }
        for status in Set(used.map(\.status)).sorted() {
            let codes = used.filter { $0.status == status }
            let description = codes.map { "`\($0.code)`: \($0.safeText)" }.joined(separator: " ")
            components["Problem\(status)"] = Self.problem(description, codes)
        }
        return components
    }

    private static func problem(_ description: String, _ codes: [ErrorCode]) -> JSONValue {
        var content: JSONObject = JSONObject()
        content["schema"] = ["$ref": "#/components/schemas/Problem"]
        if !codes.isEmpty {
            var examples = JSONObject()
            for code in codes { examples[code.code] = ["value": example(code)] }
            content["examples"] = .object(examples)
        }
        var response = JSONObject()
        response["description"] = .string(description)
        if codes.contains(where: { [429, 503, 504].contains($0.status) }) {
            response["headers"] = [
                "retry-after": [
                    "description": "When the same request is worth another try. Seconds.",
                    "schema": ["type": "integer"],
                ]
            ]
        }
        response["content"] = [ErrorEdge.mediaType: .object(content)]
        return .object(response)
    }

    private static func example(_ code: ErrorCode) -> JSONValue {
        [
            "type": .string("\(ErrorEdge.typePrefix)\(code.code)"), "title": .string(code.safeText),
            "status": .integer(code.status), "code": .string(code.code),
            "request_id": "req_0123456789abcdef0123456789abcdef", "retryable": .boolean(code.isRetryable),
        ]
    }
}
