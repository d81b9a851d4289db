package import Cryptography
import HTTPWire
package import Settings
import Telemetry

/// What both planes let an operator say about traces and error reports.
package enum TelemetrySettings {
    package static let otlpEndpoint = Setting<String?>.optionalText(
        "otlp-endpoint", as: "URL",
        help:
            "The OpenTelemetry collector traces are sent to over HTTP, such as http://collector:4318; none: "
            + "no traces are made."
    ).readingAlso(environment: "OTEL_EXPORTER_OTLP_ENDPOINT")
    package static let otlpHeaders = Setting<Secret?>.optionalSecret(
        "otlp-headers",
        help: "Fields for the collector, such as authorization=Bearer …: name=value, separated by commas.")
    package static let tracePercent = Setting<Int>.integer(
        "trace-percent", default: 100, in: 0...100,
        help: "How many of a hundred requests are traced that carry no traceparent; of others the caller has "
            + "decided.")
    package static let errorDSN = Setting<Secret?>.optionalSecret(
        "error-dsn",
        help: "Where error lines of the log are reported besides: the DSN of a Sentry-compatible tracker.")

    package static let group = SettingGroup(
        "Traces and errors", [otlpEndpoint, otlpHeaders, tracePercent, errorDSN])

    @Sendable package static func areAddresses(_ values: SettingsValues) -> SettingProblem? {
        if let endpoint = values[otlpEndpoint], WebAddress(endpoint) == nil {
            return SettingProblem(
                "--otlp-endpoint", what: "is no http or https address",
                fix: "give one, as in http://127.0.0.1:4318")
        }
        if let headers = values[otlpHeaders], fields(headers) == nil {
            return SettingProblem(
                "--otlp-headers-file", what: "holds no fields",
                fix: "give name=value, several separated by commas")
        }
        if let dsn = values[errorDSN], destination(dsn) == nil {
            return SettingProblem(
                "--error-dsn-file", what: "holds no DSN",
                fix: "give the tracker's, as in https://key@errors.example.com/1")
        }
        return nil
    }

    static func fields(_ headers: Secret) -> HeaderFields? {
        var fields = HeaderFields()
        for part in text(headers).split(separator: ",") {
            guard let equals = part.firstIndex(of: "=") else { return nil }
            let name = part[..<equals].trimmingSpaces,
                value = part[part.index(after: equals)...].trimmingSpaces
            guard !name.isEmpty, !value.isEmpty else { return nil }
            fields.append(name.lowercased(), value)
        }
        return fields
    }

    static func destination(_ dsn: Secret) -> ErrorDestination? {
        ErrorDestination(dsn: text(dsn).trimmingSpaces)
    }

    private static func text(_ secret: Secret) -> String {
        secret.withBytes { String(decoding: $0, as: UTF8.self) }
    }
}

extension StringProtocol {
    fileprivate var trimmingSpaces: String {
        String(String(drop { $0.isWhitespace }.reversed()).drop { $0.isWhitespace }.reversed())
    }

    private func drop(_ isDropped: (Character) -> Bool) -> SubSequence { self.drop(while: isDropped) }
}
