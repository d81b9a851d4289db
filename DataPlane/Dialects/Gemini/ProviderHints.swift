import JSONText

/// What Google's error bodies say in their details, where others use a status or a header.
package struct ProviderHints {
    /// A whole number of seconds to wait, at least one; nil when nothing is said.
    package private(set) var retryAfter: String?
    /// The status says that the request was wrong, but it was the gateway's key.
    package private(set) var isAboutOurKey = false

    package init(_ body: UnsafeRawBufferPointer) {
        guard let value = try? JSONValue.parse(body) else { return }
        let error = value["error"] ?? value[0]?["error"]
        for detail in error?["details"]?.array ?? [] {
            if detail["reason"]?.string == "API_KEY_INVALID" { isAboutOurKey = true }
            guard let delay = detail["retryDelay"]?.string, delay.hasSuffix("s"),
                let seconds = Double(delay.dropLast()), (0...86_400).contains(seconds)
            else { continue }
            retryAfter = "\(max(1, Int(seconds.rounded(.up))))"
        }
    }
}
