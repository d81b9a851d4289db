package import Domain

/// Why an operation did not happen: an entry of the error catalogue, free of any transport.
///
/// What may be shown (`code`, `detail`, `problems`) and what is for the log alone (`privateDetail`) are
/// separate fields, so that nothing leaks by printing the wrong one.
package struct OperationError: Error, Sendable {
    package let code: ErrorCode
    /// A safe sentence that says more than the code's own; nil: the code's.
    package let detail: String?
    /// What is wrong with which field.
    package let problems: [ValidationError]
    /// When the same request is worth another try. Unit: seconds.
    package let retryAfterSeconds: Int?
    package let privateDetail: String
    /// The word for it in a foreign protocol's own catalogue (SCIM's `scimType`); nil: what the code says.
    package let reason: String?

    package init(
        _ code: ErrorCode, detail: String? = nil, problems: [ValidationError] = [],
        retryAfterSeconds: Int? = nil, privateDetail: String = "", reason: String? = nil
    ) {
        self.code = code
        self.detail = detail
        self.problems = problems
        self.retryAfterSeconds = retryAfterSeconds
        self.privateDetail = privateDetail
        self.reason = reason
    }

    /// What SCIM has a word of its own for (RFC 7644, table 9).
    package static func scim(_ reason: String, _ detail: String) -> OperationError {
        OperationError(.invalidRequest, detail: detail, reason: reason)
    }

    package static let notFound = OperationError(.notFound)

    /// Nobody is known to be calling, and why.
    package static func unauthenticated(_ detail: String) -> OperationError {
        OperationError(.unauthenticated, detail: detail)
    }

    /// The caller belongs here but may not do this.
    package static func forbidden(_ permission: Permission) -> OperationError {
        OperationError(.forbidden, detail: "This needs the permission \(permission.rawValue).")
    }

    package static func invalid(_ problems: [ValidationError]) -> OperationError {
        OperationError(.invalidRequest, problems: problems)
    }

    /// The value of one field is taken by something else.
    package static func taken(_ pointer: String) -> OperationError {
        OperationError(.conflict, problems: [ValidationError(pointer, .duplicate, "is taken already")])
    }

    /// A bounded queue is full; the same request may succeed in a moment.
    package static func overloaded(_ privateDetail: String) -> OperationError {
        OperationError(.overloaded, retryAfterSeconds: 1, privateDetail: privateDetail)
    }

    package static func unavailable(_ privateDetail: String) -> OperationError {
        OperationError(.unavailable, retryAfterSeconds: 2, privateDetail: privateDetail)
    }

    /// A mistake of ours.
    package static func fault(_ privateDetail: String) -> OperationError {
        OperationError(.internalError, privateDetail: privateDetail)
    }
}
