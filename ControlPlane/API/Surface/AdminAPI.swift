import Domain
import EventLoops
package import HTTPServing
package import HTTPWire
import JSONText
package import Operations
package import Telemetry
import Transport

/// The admin API of one loop: finds the route, knows the caller, reads the request by its shapes, runs the
/// handler and answers. Everything about a route comes from its `AdminRoute`. Loop thread.
package final class AdminAPI {
    /// The largest body of a route that says nothing else. Unit: bytes.
    package static let usualBodyBytes = 1 << 20

    private let operations: Operations
    private let surroundings: Surroundings
    private let matcher: RouteMatcher<AdminRoute>
    private let log: Log
    private let metrics: AdminMetrics
    private let tags: EntityTags

    /// Throws when two routes of the table have the same method and path.
    package init(
        operations: Operations, surroundings: Surroundings, log: Log, routes: [AdminRoute] = RouteTable.all
    ) throws(RoutePatternError) {
        self.operations = operations
        self.surroundings = surroundings
        self.log = log
        metrics = AdminMetrics(surroundings.metrics)
        var matcher = RouteMatcher<AdminRoute>()
        for route in routes { try matcher.add(route.method, route.path, route) }
        self.matcher = matcher
        tags = EntityTags(of: routes)
    }

    /// Serves one request.
    package func handle(_ exchange: Exchange) async {
        let start = monotonicNanoseconds()
        if let found = webFile(exchange) {
            let status = await serve(found, exchange)
            return metrics.count("web-file", status: status, nanoseconds: monotonicNanoseconds() - start)
        }
        let trace = surroundings.tracer.map { RequestTrace($0, exchange) }
        // Before the body is read, which may move the fields.
        let origin = surroundings.crossOrigin.allowed(exchange)
        var (operation, reply) = await answer(exchange, mayPreflight: origin != nil)
        if let origin { exchange.everyAnswer = surroundings.crossOrigin.fields(for: origin) }
        reply.fields.append("cache-control", "no-store")
        reply.fields.append("content-security-policy", "default-src 'none'; frame-ancestors 'none'")
        addSafety(to: &reply.fields)
        if let parts = reply.parts {
            await stream(parts, reply, exchange, operation)
        } else {
            try? await exchange.respond(status: reply.status, fields: reply.fields, body: reply.body)
        }
        metrics.count(operation, status: reply.status, nanoseconds: monotonicNanoseconds() - start)
        trace?.end(operation, status: reply.status)
    }

    private func addSafety(to fields: inout HeaderFields) {
        fields.append("x-content-type-options", "nosniff")
        fields.append("referrer-policy", "no-referrer")
        if surroundings.isSecure { fields.append("strict-transport-security", "max-age=31536000") }
    }

    // MARK: Files

    private func webFile(_ exchange: Exchange) -> WebFiles.Found? {
        guard exchange.method == .get || exchange.method == .head, !exchange.path.hasPrefix("/api/v1/")
        else { return nil }
        return surroundings.webFiles.find(exchange.path)
    }

    /// Answers a file, or where it is; the status that was sent.
    private func serve(_ found: WebFiles.Found, _ exchange: Exchange) async -> Int {
        var answer: (status: Int, fields: HeaderFields, body: [UInt8])
        switch found {
        case .file(let file):
            answer = file.answer(
                acceptEncoding: exchange.fieldText(.acceptEncoding),
                ifNoneMatch: exchange.fieldText(.ifNoneMatch))
        case .moved(let target):
            answer = (
                302,
                [
                    "location": target, "cache-control": "no-store",
                    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
                ], []
            )
        }
        addSafety(to: &answer.fields)
        try? await exchange.respond(status: answer.status, fields: answer.fields, body: answer.body)
        return answer.status
    }

    /// Sends an answer part by part. Without its end the client sees a cut: that is how it learns of a
    /// failure.
    private func stream(
        _ parts: () async throws(OperationError) -> [UInt8]?, _ reply: Reply, _ exchange: Exchange,
        _ operation: String
    ) async {
        let requestID = exchange.requestID.description
        var piece = GrowableBytes()
        do {
            try await exchange.startStreaming(status: reply.status, fields: reply.fields)
            while let part = try await parts() {
                piece.removeAll()
                part.withUnsafeBytes { piece.append($0) }
                try await exchange.write(piece.view)
            }
            try await exchange.finish()
        } catch let error as OperationError {
            note(error, operation, requestID)
        } catch {
            log.info("a client left before the end of its answer", ["request_id": "\(requestID)"])
        }
    }

    /// The answer, and the operation it is of for the metrics.
    private func answer(
        _ exchange: Exchange, mayPreflight: Bool
    ) async -> (operation: String, reply: Reply) {
        let requestID = exchange.requestID.description
        var operation = "none"
        var form: AdminRoute.Form { AdminRoute.Form(of: exchange.path) }
        do throws(OperationError) {
            let client = surroundings.proxies.client(of: exchange)
            try surroundings.limits.check(address: client.subscriber.description)
            if mayPreflight, CrossOrigin.isPreflight(exchange) {
                return (operation, .preflight(surroundings.crossOrigin))
            }
            switch matcher.match(exchange.method, exchange.path) {
            case .notFound: throw .notFound
            case .methodNotAllowed(let allowed):
                let error = OperationError(.methodNotAllowed)
                return (operation, .failure(error, form, allow: allowed, requestID: requestID))
            case .found(let route, let parameters):
                operation = route.operationID
                return (operation, try await run(route, parameters, exchange, from: client))
            }
        } catch {
            note(error, operation, requestID)
            return (operation, .failure(error, form, requestID: requestID))
        }
    }

    private func run(
        _ route: AdminRoute, _ parameters: RouteParameters, _ exchange: Exchange, from client: IPAddress
    ) async throws(OperationError) -> Reply {
        let origin = RequestOrigin(
            requestID: exchange.requestID.description, address: client.description,
            subscriber: client.subscriber.description,
            userAgent: exchange.fieldText("user-agent") ?? "")
        // Who before what: nobody learns about shapes and limits of things they cannot reach.
        let browser = BrowserSession(exchange, isSecure: surroundings.isSecure)
        var caller: Caller?
        if case .public = route.access {
        } else {
            let known = try await operations.sessions.authenticate(
                try browser.accessToken(isWrite: route.isWrite), from: origin)
            try surroundings.limits.check(user: known.countedAs)
            caller = known
        }
        var isDryRun = false
        do throws(OperationError) {
            let read = Result { () throws(OperationError) in
                try RequestReader.query(exchange.query, by: route.parameters, in: route.form)
            }
            if route.takesTerms, case .success(let values) = read { isDryRun = try values[Terms.dryRun] }
            if let caller { try route.admit(caller, parameters) }
            let query = try read.get()
            let terms = route.isWrite ? try Terms(route, exchange) : nil
            var bytes: [UInt8]? = terms?.key == nil && !route.isSigned ? nil : []
            let signature = route.isSigned ? exchange.fieldText("eclusa-signature") : nil
            let body = try await RequestReader.body(of: exchange, for: route, bytes: &bytes)
            var call = Call(
                operations: operations, origin: origin, query: query, body: body, signedIn: caller,
                parameters: parameters, surroundings: surroundings)
            if case .stream = route.answer.content, caller != nil {
                call.accessToken = try browser.accessToken(isWrite: false)
                call.lastEventID = exchange.fieldText("last-event-id")
                call.isServerEnding = { exchange.isServerEnding }
            }
            call.refreshCookie = browser.refreshToken
            if route.isSigned { call.signed = (bytes ?? [], signature) }
            let request = call
            let loop = exchange.connection.loop
            let deadline = Int64(route.deadlineSeconds) * 1_000_000_000
            guard let terms, let caller else {
                return try await withDeadline(nanoseconds: deadline, on: loop) { () throws(OperationError) in
                    let answer = try await route.handle(request)
                    return self.reply(route.opensSession ? browser.keeping(answer) : answer, route)
                }
            }
            let repetition = terms.key.map {
                RequestTerms.Repetition(key: $0, request: Terms.digest(exchange, body: bytes ?? []))
            }
            let isRehearsal = isDryRun
            var reply = try await withDeadline(nanoseconds: deadline, on: loop) { () throws(OperationError) in
                try await self.write(
                    request, route, by: caller, terms.condition, repetition, isDryRun: isRehearsal)
            }
            if route.endsSession, browser.isByCookie, !isDryRun {
                for cookie in browser.forgetting { reply.fields.append("set-cookie", cookie) }
            }
            return reply
        } catch {
            if let caller, route.isWrite, !isDryRun { await record(error, route, parameters, by: caller) }
            throw error
        }
    }

    private func reply(_ answer: Answer, _ route: AdminRoute) -> Reply {
        var reply = Reply(
            status: answer.status, mediaType: answer.mediaType, body: answer.body, change: answer.change,
            entityTag: tags.tag(of: answer.json, route))
        reply.parts = answer.parts
        if let location = answer.location { reply.fields.append("location", location) }
        if let policy = answer.securityPolicy { reply.fields.append("content-security-policy", policy) }
        for cookie in answer.cookies { reply.fields.append("set-cookie", cookie) }
        if let name = answer.fileName {
            reply.fields.append("content-disposition", "attachment; filename=\"\(name)\"")
        }
        return reply
    }

    // MARK: Writes

    /// A write on terms: one transaction, in which the condition is looked at and the answer kept.
    private func write(
        _ call: Call, _ route: AdminRoute, by caller: Caller, _ condition: EntityTagCondition?,
        _ repetition: RequestTerms.Repetition?, isDryRun: Bool
    ) async throws(OperationError) -> Reply {
        var call = call
        let lock = Terms.lock(route, call.parameters, by: caller)
        if condition == nil, tags.changesItsNoun(route) { call.operations = operations.locking(lock) }
        guard condition != nil || repetition != nil || isDryRun else {
            return reply(try await route.handle(call), route)
        }
        var terms = RequestTerms()
        terms.repetition = repetition
        terms.isDryRun = isDryRun
        terms.holdsSecret = route.answer.holdsSecret
        if condition != nil { terms.lock = lock }
        let done = try await call.operations.asOne(terms, by: caller) { operations throws(OperationError) in
            let inside = call.with(operations)
            if let condition { try await check(condition, inside, route) }
            return kept(try await route.handle(inside), route, isDryRun: isDryRun)
        }
        let answer = done.answer
        var reply = Reply(
            status: answer.status, mediaType: answer.body.isEmpty ? "" : route.form.mediaType,
            body: answer.body, change: answer.change, entityTag: answer.entityTag)
        if done.isRepetition { reply.fields.append("idempotency-replayed", "true") }
        if isDryRun { reply.fields.append("eclusa-dry-run", "true") }
        return reply
    }

    private func kept(_ answer: Answer, _ route: AdminRoute, isDryRun: Bool) -> KeptAnswer {
        var body = answer.body
        if isDryRun, let json = answer.json, case .json(let schema) = route.answer.content {
            body = schema.masked(json).bytes
        }
        return KeptAnswer(
            status: answer.status, body: body, change: isDryRun ? nil : answer.change,
            entityTag: tags.tag(of: answer.json, route))
    }

    /// Reads what is to be changed, as its own route reads it, and compares its tag. Its row is locked.
    private func check(
        _ condition: EntityTagCondition, _ call: Call, _ route: AdminRoute
    ) async throws(OperationError) {
        guard let reader = tags.reader(of: route) else {
            throw OperationError(.preconditionFailed, detail: "This has no entity tag; leave If-Match out.")
        }
        let query = try RequestReader.query([], by: reader.parameters, in: reader.form)
        let current = try await reader.handle(call.with(call.operations, query: query))
        guard condition.holds(for: tags.tag(of: current.json, reader)) else {
            throw OperationError(.preconditionFailed)
        }
    }

    /// Leaves a refused write in the audit log, by itself.
    private func record(
        _ error: OperationError, _ route: AdminRoute, _ parameters: RouteParameters, by caller: Caller
    ) async {
        guard Self.recordedStatuses.contains(error.code.status) else { return }
        let refused = RefusedWrite(
            action: route.operationID, kind: route.tag,
            target: route.pathParameters.last.flatMap { last in
                Terms.thing(last, parameters) == nil ? nil : parameters[last.name]
            },
            tenant: parameters[PathParameter.tenant.name].flatMap { TenantID($0) }, code: error.code)
        if await !operations.auditEvents.record(refused, by: caller) { metrics.countUnrecordedRefusal() }
    }

    /// Refusals that say something about who asked for what; the rest are mistakes of spelling.
    private static let recordedStatuses: Set<Int> = [401, 403, 404, 409, 412]

    /// What the caller does not get to see goes to the log, under the request's id.
    private func note(_ error: OperationError, _ operation: String, _ requestID: String) {
        guard error.code.status >= 500 else { return }
        log.error(
            "an admin request failed",
            [
                "operation": "\(operation)", "code": "\(error.code.code)", "request_id": "\(requestID)",
                "detail": "\(error.privateDetail)",
            ])
    }
}

/// A complete answer, whatever it came from.
private struct Reply {
    let status: Int
    var fields = HeaderFields()
    let body: [UInt8]
    /// Where a streamed body comes from.
    var parts: (() async throws(OperationError) -> [UInt8]?)?

    init(status: Int, mediaType: String, body: [UInt8], change: ChangeToken?, entityTag: String?) {
        self.status = status
        self.body = body
        if !mediaType.isEmpty { fields.append("content-type", mediaType) }
        if let change { fields.append("eclusa-change", change.description) }
        if let entityTag { fields.append("etag", entityTag) }
    }

    private init(status: Int, fields: HeaderFields, body: [UInt8]) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    static func preflight(_ origins: CrossOrigin) -> Reply {
        Reply(status: 204, fields: origins.preflightFields, body: [])
    }

    static func failure(
        _ error: OperationError, _ form: AdminRoute.Form = .api, allow: [HTTPMethod] = [], requestID: String
    ) -> Reply {
        var fields = ErrorEdge.fields(error, allow: allow)
        fields.append("content-type", form == .api ? ErrorEdge.mediaType : form.mediaType)
        if form == .scim { fields.append(SCIMError.codeField, error.code.code) }
        return Reply(
            status: ErrorEdge.status(error), fields: fields,
            body: form == .api
                ? ErrorEdge.document(error, requestID: requestID)
                : SCIMError.document(error))
    }
}
