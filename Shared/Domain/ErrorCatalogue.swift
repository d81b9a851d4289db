extension ErrorCode {
    /// The catalogue as the Markdown page `docs/errors.md`: one table a surface, in the order of `all`.
    package static var catalogueMarkdown: String {
        var page = """
            # Errors

            Rendered from `Shared/Domain/ErrorCode.swift`; a test compares the two. The admin API answers
            with RFC 9457 problem documents whose `code` is one of these; the gateway answers in the
            caller's dialect and names the code in `x-eclusa-error-code`. *Retry* says whether the same
            request may succeed later with nothing changed; *who acts* says who has to change something
            otherwise.

            """
        let titles: [(Surface, String)] = [
            (.both, "Any request"), (.admin, "Admin API"), (.gateway, "Gateway"), (.node, "Node protocol"),
        ]
        for (surface, title) in titles {
            page += "\n## \(title)\n\n| code | status | retry | who acts | meaning |\n|---|---|---|---|---|\n"
            for entry in all where entry.surface == surface {
                let retry = entry.isRetryable ? "yes" : "no"
                page += "| `\(entry.code)` | \(entry.status) | \(retry) | \(entry.audience.rawValue) "
                page += "| \(entry.safeText) |\n"
            }
        }
        return page
    }
}

extension ErrorCode: CustomStringConvertible {
    package var description: String { code }
}
