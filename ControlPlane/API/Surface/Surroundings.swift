package import HTTPServing
import Operations
package import Telemetry

/// What the API shows of the program it runs in. Non-Sendable: it lives on its loop.
package struct Surroundings {
    package let version: String
    package let metrics: MetricsRegistry
    /// The names of parts that are not ready; empty: the program is.
    package let unreadyParts: () async -> [String]
    package let limits: RequestLimits
    package let crossOrigin: CrossOrigin
    /// The console and the page about the API.
    package let webFiles: WebFiles
    package let eventStreams: EventStreams
    package let proxies: TrustedProxies
    /// People reach it over TLS: browsers are told to come back no other way.
    package let isSecure: Bool
    /// nil: requests are not traced.
    package let tracer: Tracer?

    package init(
        version: String, metrics: MetricsRegistry, limits: RequestLimits,
        crossOrigin: CrossOrigin = .admin([]), webFiles: WebFiles = WebFiles(),
        eventStreams: EventStreams = EventStreams(), proxies: TrustedProxies = .none,
        isSecure: Bool = false, tracer: Tracer? = nil,
        unreadyParts: @escaping () async -> [String]
    ) {
        self.version = version
        self.metrics = metrics
        self.limits = limits
        self.crossOrigin = crossOrigin
        self.webFiles = webFiles
        self.eventStreams = eventStreams
        self.proxies = proxies
        self.isSecure = isSecure
        self.tracer = tracer
        self.unreadyParts = unreadyParts
    }
}
