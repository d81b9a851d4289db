package import Domain
import JSONText

/// The web console: where its files come from, and what its pages may do.
package enum Console {
    static let prefix = "/console/"
    /// Pages that messages to people link to; the token is behind a `#`, which redirects keep.
    private static let linkedPages = ["accept-invitation", "sign-up", "verify-email", "reset-password"]

    /// Adds the console to `files`. `folder` holds its sources, `chartScript` the library for its charts:
    /// without it there are tables only; `codeScript` that for QR codes: without it secrets are typed.
    /// `gatewayURL` is where the playground calls, `grafana` what the page of dashboards embeds. False: the
    /// folder is not the console's.
    package static func add(
        to files: inout WebFiles, folder: String, chartScript: String, codeScript: String,
        gatewayURL: String?, grafana: BaseURL? = nil
    ) -> Bool {
        let policy = securityPolicy(gatewayURL, grafana)
        guard files.add(folder: folder, at: prefix, securityPolicy: policy),
            case .file(let page) = files.find("\(prefix)index.html")
        else { return false }
        files.add(prefix, page.content, mediaType: page.mediaType, securityPolicy: policy)
        files.show(prefix, below: prefix)
        files.show(prefix, below: "/sign-in/callback/")
        var hasLibrary: [String: Bool] = [:]
        for (name, path) in [("chart", chartScript), ("qrcode", codeScript)] {
            guard let script = WebFiles.content(of: path) else { continue }
            hasLibrary[name] = true
            files.add(
                "\(prefix)libraries/\(name).js", script, mediaType: "text/javascript; charset=utf-8",
                securityPolicy: policy)
        }
        let configuration: JSONValue = [
            "gateway_url": gatewayURL.map { .string($0) } ?? .null,
            "charts": .boolean(hasLibrary["chart"] == true),
            "qr_codes": .boolean(hasLibrary["qrcode"] == true),
            "dashboards": .boolean(grafana != nil),
        ]
        files.add(
            "\(prefix)configuration.json", configuration.bytes, mediaType: "application/json",
            securityPolicy: policy)
        files.move("/", to: prefix)
        files.move("/console", to: prefix)
        for name in linkedPages { files.move("/\(name)", to: prefix + name) }
        return true
    }

    /// Scripts and styles of this origin alone, none inside pages; calls to this origin and to the gateway;
    /// nothing embedded but Grafana.
    private static func securityPolicy(_ gatewayURL: String?, _ grafana: BaseURL?) -> String {
        let gateway = gatewayURL.map { " \($0)" } ?? ""
        let frames = grafana.map { " frame-src \($0.origin);" } ?? ""
        return """
            default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
            font-src 'self'; manifest-src 'self'; connect-src 'self'\(gateway);\(frames) base-uri 'none'; \
            form-action 'none'; frame-ancestors 'none'
            """
    }
}

extension BaseURL {
    /// Without its path.
    fileprivate var origin: Substring { description.dropLast(path.count) }
}
