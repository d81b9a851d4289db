import Domain
import HTTPWire
import Operations

/// Where pages report their own failures, so that they reach whoever watches the log and the error tracker.
enum ClientErrorRoutes {
    static let all: [AdminRoute] = [
        AdminRoute.nothing(
            .post, "/api/v1/client-errors",
            .signedIn(reason: "it changes nothing; only those who use the console can report for it."),
            "client-errors.create", "Report a failure of a page; it goes to the log and the error tracker",
            body: ClientErrorBody.shape
        ) { call throws(OperationError) in
            try call.operations.clientErrors.report(
                ClientError(
                    message: try call.body[ClientErrorBody.message],
                    page: try call.body[ClientErrorBody.page],
                    trace: try call.body[ClientErrorBody.trace]), by: try call.caller)
        }.reachingOutside()
    ]
}

enum ClientErrorBody {
    static let message = Field<String>.required(
        "message", .anyText(1...500), "What the browser said.")
    static let page = Field<String>.defaulted(
        "page", .anyText(0...200), to: "", "Which page it was: a path without IDs or a query.")
    static let trace = Field<String>.defaulted(
        "trace", .anyText(0...2_000), to: "", "Where in the page's code.")
    static let shape = BodyShape("NewClientError", [message, page, trace])
}
