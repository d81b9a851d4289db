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

    package init(
        version: String, metrics: MetricsRegistry, limits: RequestLimits,
        crossOrigin: CrossOrigin = CrossOrigin(origins: []), unreadyParts: @escaping () async -> [String]
    ) {
        self.version = version
        self.metrics = metrics
        self.limits = limits
        self.crossOrigin = crossOrigin
        self.unreadyParts = unreadyParts
    }
}
