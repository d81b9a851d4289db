import Domain
import Telemetry

/// A failure in somebody's browser, in the browser's words.
package struct ClientError: Sendable {
    package let message: String
    package let page: String
    package let trace: String

    package init(message: String, page: String, trace: String) {
        self.message = message
        self.page = page
        self.trace = trace
    }
}

/// What pages report of themselves.
package struct ClientErrorOperations {
    let environment: OperationEnvironment

    /// Leaves a line in the log, which the error tracker hears of too. Nothing is stored: the texts are the
    /// caller's, so how many come is what the limits of requests let through.
    package func report(_ error: ClientError, by caller: Caller) throws(OperationError) {
        _ = try caller.person
        environment.log.error(
            "a page failed",
            [
                "page": "\(error.page)", "reason": "\(error.message)", "trace": "\(error.trace)",
                "request_id": "\(caller.origin.requestID)", "user_agent": "\(caller.origin.userAgent)",
            ])
    }
}
