/// What an answer says about itself and no provider knows: the caller's dialect needs it.
package struct AnswerContext: Sendable {
    /// Unique to the answer, letters and digits only; each dialect puts its own prefix before it.
    package var id: String
    /// The model as the caller named it.
    package var model: String
    /// When the answer was made. Unit: seconds since 1970.
    package var created: Int64
    /// Whether the caller asked for usage at the end of a stream.
    package var wantsUsage: Bool

    package init(id: String, model: String, created: Int64, wantsUsage: Bool = false) {
        self.id = id
        self.model = model
        self.created = created
        self.wantsUsage = wantsUsage
    }
}
