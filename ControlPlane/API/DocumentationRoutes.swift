import Domain
import HTTPWire
import Operations

/// The interactive page about the API, and its files.
enum DocumentationRoutes {
    static let all: [AdminRoute] = [
        file("/api/docs", "docs.get", "This description as a page to try it out", "text/html") {
            Array($0.page.utf8)
        },
        file("/api/docs/start.js", "docs.get-start", "What starts the page", "text/javascript") { _ in
            Array(Documentation.start.utf8)
        },
        file("/api/docs/\(Documentation.script)", "docs.get-script", "The page's script", "text/javascript") {
            $0.scriptBytes
        },
        file("/api/docs/\(Documentation.style)", "docs.get-style", "The page's style", "text/css") {
            $0.styleBytes
        },
    ]

    private static func file(
        _ path: String, _ operationID: String, _ summary: String, _ mediaType: String,
        _ bytes: @escaping @Sendable (Documentation) -> [UInt8]
    ) -> AdminRoute {
        AdminRoute(
            method: .get, path: path, access: .public(reason: "it holds nothing of any tenant."),
            operationID: operationID, summary: summary, query: nil, body: nil,
            answer: AnswerShape(status: 200, content: .text(mediaType: mediaType))
        ) { call throws(OperationError) in
            let content = bytes(call.surroundings.documentation)
            guard !content.isEmpty else { throw .notFound }
            var answer = Answer(status: 200, mediaType: "\(mediaType); charset=utf-8", body: content)
            answer.securityPolicy = Documentation.securityPolicy
            return answer
        }
    }
}
