/// The interactive page of the API's description: Swagger UI, whose files set-up fetches from a package
/// registry. Immutable; read once at the start.
package struct Documentation: Sendable {
    /// Where the page's own policy differs from the API's: it runs scripts of this origin and talks to it.
    static let securityPolicy = """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'
        """

    /// Files of the page by name; the folder may hold others.
    static let script = "swagger-ui-bundle.js"
    static let style = "swagger-ui.css"

    let scriptBytes: [UInt8]
    let styleBytes: [UInt8]

    /// The page without its files: it says how to get them.
    package static let absent = Documentation(scriptBytes: [], styleBytes: [])

    var isThere: Bool { !scriptBytes.isEmpty && !styleBytes.isEmpty }

    package init(scriptBytes: [UInt8], styleBytes: [UInt8]) {
        self.scriptBytes = scriptBytes
        self.styleBytes = styleBytes
    }

    /// Reads the files of a folder; nil when one is missing or too large.
    package init?(folder: String) {
        guard let script = WebFiles.content(of: "\(folder)/\(Self.script)"),
            let style = WebFiles.content(of: "\(folder)/\(Self.style)")
        else { return nil }
        self.init(scriptBytes: script, styleBytes: style)
    }

    /// Puts the page and its files at /api/docs.
    package func add(to files: inout WebFiles) {
        func add(_ path: String, _ content: [UInt8], _ mediaType: String) {
            files.add(
                "/api/docs\(path)", content, mediaType: "\(mediaType); charset=utf-8",
                securityPolicy: Self.securityPolicy)
        }
        add("", Array(page.utf8), "text/html")
        guard isThere else { return }
        add("/start.js", Array(Self.start.utf8), "text/javascript")
        add("/\(Self.script)", scriptBytes, "text/javascript")
        add("/\(Self.style)", styleBytes, "text/css")
    }

    /// The page, with the files or without.
    var page: String {
        let head = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>Eclusa admin API</title>
            <link rel="icon" href="data:,">

            """
        guard isThere else {
            return head + """
                </head>
                <body>
                <h1>Eclusa admin API</h1>
                <p>The description is at <a href="/api/openapi.json">/api/openapi.json</a>.</p>
                <p>The interactive page is not installed: run <code>make install</code>, or give
                eclusa-control --api-docs-folder a folder with \(Self.script) and \(Self.style).</p>
                </body>
                </html>

                """
        }
        return head + """
            <link rel="stylesheet" href="/api/docs/\(Self.style)">
            </head>
            <body>
            <div id="docs"></div>
            <noscript>This page needs scripts; the description is at /api/openapi.json.</noscript>
            <script src="/api/docs/\(Self.script)"></script>
            <script src="/api/docs/start.js"></script>
            </body>
            </html>

            """
    }

    /// What starts the page: its own file, because the policy allows no script inside the page.
    static let start = """
        "use strict";
        window.ui = SwaggerUIBundle({
            url: "/api/openapi.json",
            dom_id: "#docs",
            deepLinking: true,
            docExpansion: "none",
            defaultModelsExpandDepth: -1,
            tryItOutEnabled: true,
            displayRequestDuration: true,
            filter: true,
            validatorUrl: null,
            queryConfigEnabled: false,
            requestInterceptor: (request) => {
                const csrf = document.cookie.match(/(?:^|; )eclusa_csrf=([^;]*)/);
                if (csrf) request.headers["eclusa-csrf"] = csrf[1];
                return request;
            },
            persistAuthorization: false
        });

        """
}
