/// Stands between a provider's stream and the client: may hold events back, change them and end the stream.
/// Loop thread.
package protocol EventFilter: AnyObject {
    /// What goes on in the place of an event. A `.failure` ends the stream.
    func take(_ event: CanonicalEvent) -> [CanonicalEvent]
}
