package import Domain
package import HTTPWire
import JSONText
package import Operations

/// Who may use a route. Every route says it; there is no default.
package enum Access: Sendable {
    /// Where a permission is asked for: the whole platform, the tenant of the path's `{tenant}`, or that
    /// tenant's workspace which the request or its thing turns out to be about.
    package enum Place: Sendable { case platform, tenant, workspace }

    /// Callers whose roles include the permission there. The operation decides; the matrix test proves that
    /// it decides by this very permission.
    case needs(Permission, in: Place)
    /// Anybody who is signed in, because they only see or change what is their own.
    case signedIn(reason: String)
    /// Everybody, because there is nothing to protect yet or no way to have signed in before.
    case `public`(reason: String)
}

/// One route of the admin API: the single source of dispatch, the OpenAPI document, the metric label and the
/// authorisation matrix.
package struct AdminRoute: Sendable {
    package let method: HTTPMethod
    /// `/api/v1/tenants/{tenant}/keys/{key}`; every parameter is an ID (see `PathParameter`).
    package let path: String
    package let access: Access
    /// `noun.verb`, the same in the audit log and the metrics.
    package let operationID: String
    package let summary: String
    package let query: BodyShape?
    package let body: BodyShape?
    package let answer: AnswerShape
    /// It does more than its transaction shows, like a call to a provider: nothing of it can be rehearsed or
    /// taken back, so `dry_run` and `Idempotency-Key` are not for it.
    package private(set) var reachesOutside = false
    /// How long it may take before it is ended with 504. Unit: seconds.
    package private(set) var deadlineSeconds = 30
    /// The largest body it takes. Unit: bytes.
    package private(set) var maximumBodyBytes = AdminAPI.usualBodyBytes
    package var form = Form.api
    /// Its answer opens a session: a browser may have the tokens as cookies.
    package private(set) var opensSession = false
    /// It ends the caller's session: a browser forgets its cookies.
    package private(set) var endsSession = false
    /// Its body is signed by who sends it, in `eclusa-signature`.
    package private(set) var isSigned = false
    package let handle: @Sendable (Call) async throws(OperationError) -> Answer

    package var isWrite: Bool { method != .get && method != .head && method != .options }

    /// What its requests and answers are written in.
    package enum Form: Sendable {
        case api
        /// SCIM (RFC 7644): errors of its own; what a body holds that we do not keep is passed over.
        case scim

        /// Of whatever is asked at a path, a route's or nobody's.
        init(of path: String) {
            self = path.hasPrefix("/api/v1/tenants/") && path.contains("/scim/v2/") ? .scim : .api
        }

        package var mediaType: String { self == .api ? "application/json" : "application/scim+json" }

        /// Content types of bodies.
        var takenTypes: [String] { self == .api ? [mediaType] : [mediaType, "application/json"] }
    }

    /// Whether `Idempotency-Key` (of a POST) and `dry_run` are honoured: both need somebody who asks, and
    /// work that is one transaction.
    package var takesTerms: Bool {
        if case .public = access { return false }
        return isWrite && !reachesOutside && form == .api
    }

    /// Every query parameter.
    package var parameters: BodyShape? {
        takesTerms ? BodyShape("query", (query?.fields ?? []) + [Terms.dryRun]) : query
    }

    /// The same route with another deadline.
    package func within(seconds: Int) -> AdminRoute {
        var route = self
        route.deadlineSeconds = seconds
        return route
    }

    /// The same route for larger bodies.
    package func takingBodies(ofBytes bytes: Int) -> AdminRoute {
        var route = self
        route.maximumBodyBytes = bytes
        return route
    }

    /// The same route for work that reaches outside its transaction.
    package func reachingOutside() -> AdminRoute {
        var route = self
        route.reachesOutside = true
        return route
    }

    /// The same route, whose handler checks the signature of the body as it came.
    package func signed() -> AdminRoute {
        var route = self
        route.isSigned = true
        return route
    }

    /// The same route, whose answer is a sign-in.
    package func openingSession() -> AdminRoute {
        var route = self
        route.opensSession = true
        return route
    }

    /// The same route, after which nobody is signed in.
    package func endingSession() -> AdminRoute {
        var route = self
        route.endsSession = true
        return route
    }

    /// `KeyRoutes` of `/keys/…`: the group in the documentation.
    package var tag: String { String(operationID.prefix { $0 != "." }) }

    /// Turns away who cannot be allowed whatever else they send, so that they learn nothing about it: the
    /// permission must be theirs in the place of the path, or where a workspace may do in any of them. The
    /// operation decides about the very thing.
    func admit(_ caller: Caller, _ parameters: RouteParameters) throws(OperationError) {
        guard case .needs(let permission, let place) = access else { return }
        switch place {
        case .platform: try caller.demand(permission, in: .platform)
        case .tenant, .workspace:
            guard let tenant = TenantID(parameters[PathParameter.tenant.name] ?? "") else { throw .notFound }
            if place == .tenant {
                try caller.demand(permission, in: .tenant(tenant))
            } else {
                try caller.demandSomewhere(permission, in: tenant)
            }
        }
    }

    package var pathParameters: [PathParameter] {
        path.split(separator: "/").filter { $0.hasPrefix("{") }.compactMap {
            PathParameter.named(String($0.dropFirst().dropLast()))
        }
    }
}

/// What a route answers when all went well.
package struct AnswerShape: Sendable {
    package enum Content: Sendable {
        case nothing
        case json(Schema)
        case text(mediaType: String)
        /// Of any length, in one of these, as the query asks.
        case stream(mediaTypes: [String])
    }

    package let status: Int
    package let content: Content
    /// The answer carries the change token of what was written.
    package var carriesChange = false

    /// It holds something that is shown once.
    package var holdsSecret: Bool {
        if case .json(let schema) = content { schema.holdsSecret } else { false }
    }
}

/// What a handler gives back.
///
/// Non-Sendable: one that is streamed lives on its loop.
package struct Answer {
    package let status: Int
    package let mediaType: String
    /// What `bytes` spell, when that is JSON.
    let json: JSONValue?
    private let content: [UInt8]
    /// The change token of a write, for the `eclusa-change` field.
    package var change: ChangeToken?
    /// A page's own `content-security-policy`, in place of the one that allows nothing.
    package var securityPolicy: String?
    /// Where the thing that was made is, for the `location` field.
    package var location: String?
    /// What is sent in place of `json`: a part of it. The entity tag stays that of the whole.
    var shown: JSONValue?
    /// Values of `set-cookie`.
    var cookies: [String] = []
    /// What a browser calls the answer when it keeps it.
    package var fileName: String?
    /// Where a streamed answer's body comes from, instead of `body`; see `StreamedAnswer`.
    package var parts: (() async throws(OperationError) -> [UInt8]?)?

    package init(status: Int, mediaType: String, body: [UInt8], change: ChangeToken? = nil) {
        self.status = status
        self.mediaType = mediaType
        self.change = change
        json = nil
        content = body
    }

    private init(_ json: JSONValue, status: Int, mediaType: String) {
        self.status = status
        self.mediaType = mediaType
        self.json = json
        content = []
    }

    static func json(
        _ value: JSONValue, status: Int, mediaType: String = AdminRoute.Form.api.mediaType
    ) -> Answer {
        Answer(value, status: status, mediaType: mediaType)
    }

    package var body: [UInt8] { (shown ?? json)?.bytes ?? content }
}

// MARK: - The usual kinds of route

extension AdminRoute {
    /// Answers one value.
    package static func one<Value: Sendable>(
        _ method: HTTPMethod, _ path: String, _ access: Access, _ operationID: String, _ summary: String,
        query: [any AnyField] = [], body: BodyShape? = nil, status: Int = 200,
        answers representation: Representation<Value>,
        _ handle: @escaping @Sendable (Call) async throws(OperationError) -> Value
    ) -> AdminRoute {
        let shape = AnswerShape(status: status, content: .json(representation.schema))
        return AdminRoute(
            method: method, path: path, access: access, operationID: operationID, summary: summary,
            query: queryShape(query), body: body, answer: shape
        ) { call throws(OperationError) in
            .json(representation.json(try await handle(call)), status: status)
        }
    }

    /// Writes, and answers the value as it is now with the token of the change.
    package static func write<Value: Sendable>(
        _ method: HTTPMethod, _ path: String, _ access: Access, _ operationID: String, _ summary: String,
        body: BodyShape? = nil, status: Int = 200, answers representation: Representation<Value>,
        _ handle: @escaping @Sendable (Call) async throws(OperationError) -> Changed<Value>
    ) -> AdminRoute {
        var shape = AnswerShape(status: status, content: .json(representation.schema))
        shape.carriesChange = true
        return AdminRoute(
            method: method, path: path, access: access, operationID: operationID, summary: summary,
            query: nil, body: body, answer: shape
        ) { call throws(OperationError) in
            let changed = try await handle(call)
            var answer = Answer.json(representation.json(changed.value), status: status)
            answer.change = changed.token
            return answer
        }
    }

    /// Answers one page of a list: `{"data": […], "next_cursor": …}`.
    ///
    /// - `isByCreation`: its order is that in which things were made, so a time of making can be asked for.
    package static func list<Value: Sendable>(
        _ path: String, _ access: Access, _ operationID: String, _ summary: String,
        isByCreation: Bool = true, query: [any AnyField] = [], of representation: Representation<Value>,
        _ handle: @escaping @Sendable (Call) async throws(OperationError) -> ListPage<Value>
    ) -> AdminRoute {
        let times = isByCreation ? Paging.ofTime : []
        let envelope = Paging.envelope(of: representation, list: operationID)
        return AdminRoute(
            method: .get, path: path, access: access, operationID: operationID, summary: summary,
            query: queryShape(Paging.fields(of: operationID) + times + query), body: nil,
            answer: AnswerShape(status: 200, content: .json(envelope.schema))
        ) { call throws(OperationError) in
            .json(envelope.json(try await handle(call)), status: 200)
        }
    }

    /// Does something and answers 204.
    package static func nothing(
        _ method: HTTPMethod, _ path: String, _ access: Access, _ operationID: String, _ summary: String,
        body: BodyShape? = nil, _ handle: @escaping @Sendable (Call) async throws(OperationError) -> Void
    ) -> AdminRoute {
        AdminRoute(
            method: method, path: path, access: access, operationID: operationID, summary: summary,
            query: nil, body: body, answer: AnswerShape(status: 204, content: .nothing)
        ) { call throws(OperationError) in
            try await handle(call)
            return Answer(status: 204, mediaType: "", body: [])
        }
    }

    static func queryShape(_ fields: [any AnyField]) -> BodyShape? {
        fields.isEmpty ? nil : BodyShape("query", fields)
    }
}
