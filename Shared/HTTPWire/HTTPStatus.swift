/// Reason phrases for status lines (RFC 9110 §15 and the IANA registry).
package enum HTTPStatus {
    /// The registered phrase, or "Status" for a code that has none here.
    package static func reason(_ code: Int) -> StaticString {
        switch code {
        case 100..<300: informationalOrSuccess(code)
        case 300..<400: redirection(code)
        case 400..<500: clientError(code)
        default: serverError(code)
        }
    }

    /// Whether a response with this status never has content (RFC 9112 §6.3).
    package static func forbidsContent(_ code: Int) -> Bool {
        (code >= 100 && code < 200) || code == 204 || code == 304
    }

    private static func informationalOrSuccess(_ code: Int) -> StaticString {
        switch code {
        case 100: "Continue"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 207: "Multi-Status"
        default: "Status"
        }
    }

    private static func redirection(_ code: Int) -> StaticString {
        switch code {
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        default: "Status"
        }
    }

    private static func clientError(_ code: Int) -> StaticString {
        switch code {
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 402: "Payment Required"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 424: "Failed Dependency"
        case 425: "Too Early"
        case 428: "Precondition Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 451: "Unavailable For Legal Reasons"
        default: "Status"
        }
    }

    private static func serverError(_ code: Int) -> StaticString {
        switch code {
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        case 507: "Insufficient Storage"
        case 529: "Overloaded"
        default: "Status"
        }
    }
}
