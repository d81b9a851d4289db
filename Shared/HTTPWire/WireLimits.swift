/// What one message may cost before it is refused; all counts are bytes unless named otherwise.
package struct WireLimits: Sendable {
    /// Request line or status line without its CRLF; longer is 414.
    package var startLineBytes = 8 * 1024
    /// The whole head with its closing blank line; longer is 431.
    package var headBytes = 64 * 1024
    /// Fields in one head; more is 431. Never above ``FieldTable/capacity``.
    package var fieldCount = FieldTable.capacity
    /// One chunk-size line with its extensions.
    package var chunkLineBytes = 4 * 1024
    /// The trailer section of a chunked body.
    package var trailerBytes = 16 * 1024
    /// Chunk framing may take `body × this + chunkOverheadSlackBytes` bytes in all.
    package var chunkOverheadFactor = 1
    package var chunkOverheadSlackBytes = 64 * 1024

    package static let request = WireLimits()
    /// Providers' event streams send many small chunks, so framing may outweigh content there.
    package static let response: WireLimits = {
        var limits = WireLimits()
        limits.chunkOverheadFactor = 16
        return limits
    }()

    package init() {}
}
