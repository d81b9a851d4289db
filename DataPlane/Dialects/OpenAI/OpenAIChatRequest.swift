package import JSONText

/// A chat completion call in OpenAI's format, checked and understood as far as the gateway needs it: the
/// fast path splices its bytes and decodes nothing else. Borrows the body; no heap.
package struct OpenAIChatRequest {
    package let body: UnsafeRawBufferPointer
    /// The model the caller asks for, as sent.
    package let model: JSONFragment
    package let isStream: Bool
    /// Whether the caller wants the usage event at the end of a stream.
    package let asksForUsage: Bool
    /// What the model reads, for estimates. Unit: bytes of JSON text.
    package let promptBytes: Int
    /// What must change so that the stream ends with its usage; nil when it does already or there is no
    /// stream.
    private let usageEdit: Edit?

    /// `removed` bytes of the body go, `inserted` come instead.
    private struct Edit {
        let removed: Range<Int>
        let inserted: StaticString
    }

    /// Checks the whole body (strict JSON, no repeated member in the objects read here) and finds what is
    /// needed.
    package init(parsing body: UnsafeRawBufferPointer) throws(OpenAIRequestProblem) {
        self.body = body
        var members = try Self.members(of: body)
        var model: JSONFragment?
        var stream: JSONFragment?
        var options: JSONFragment?
        var promptBytes = 0
        while let member = try Self.next(&members) {
            if member.isNamed("model") {
                model = member.value
            } else if member.isNamed("messages") {
                promptBytes = member.value.range.count
            } else if member.isNamed("stream") {
                stream = member.value
            } else if member.isNamed("stream_options") {
                options = member.value
            } else if member.isNamed("prompt") || member.isNamed("input") {
                promptBytes = member.value.range.count
            }
        }
        guard let model, !model.isNull else { throw .modelMissing }
        guard model.kind == .string else { throw .wrongType("model", "a string") }
        self.model = model
        self.promptBytes = promptBytes
        isStream = try Self.flag(stream, "stream")
        if isStream {
            (asksForUsage, usageEdit) = try Self.usageOption(options, body)
        } else {
            (asksForUsage, usageEdit) = (false, nil)
        }
    }

    /// The body for the provider: its own model name (quoted JSON) instead of the route's, and usage asked
    /// for.
    ///
    /// - Parameter bound: a member that says how long an answer may be, with the comma before it; at the end
    ///   of the body it overrules an earlier one.
    package func spliced(
        model name: UnsafeRawBufferPointer, imposing bound: UnsafeRawBufferPointer? = nil
    ) -> SplicedBody {
        var result = SplicedBody()
        guard let edit = usageEdit else {
            result.add(body[..<model.range.lowerBound])
            result.add(name)
            addRest(from: model.range.upperBound, bound, to: &result)
            return result
        }
        let inserted = UnsafeRawBufferPointer(
            start: edit.inserted.utf8Start, count: edit.inserted.utf8CodeUnitCount)
        let editIsFirst = edit.removed.lowerBound < model.range.lowerBound
        let first = editIsFirst ? edit.removed : model.range
        let second = editIsFirst ? model.range : edit.removed
        result.add(body[..<first.lowerBound])
        result.add(editIsFirst ? inserted : name)
        result.add(body[first.upperBound..<second.lowerBound])
        result.add(editIsFirst ? name : inserted)
        addRest(from: second.upperBound, bound, to: &result)
        return result
    }

    private func addRest(from start: Int, _ bound: UnsafeRawBufferPointer?, to result: inout SplicedBody) {
        guard let bound, let end = body.lastIndex(of: UInt8(ascii: "}")) else {
            return result.add(body[start...])
        }
        result.add(body[start..<end])
        result.add(bound)
        result.add(body[end...])
    }

    private static func flag(
        _ value: JSONFragment?, _ name: StaticString
    ) throws(OpenAIRequestProblem) -> Bool {
        guard let value, !value.isNull else { return false }
        guard let flag = value.boolean else { throw .wrongType(name, "true or false") }
        return flag
    }

    private static func usageOption(
        _ options: JSONFragment?, _ body: UnsafeRawBufferPointer
    ) throws(OpenAIRequestProblem) -> (asked: Bool, edit: Edit?) {
        guard let options else {
            let start = (body.firstIndex(of: UInt8(ascii: "{")) ?? 0) + 1
            // `model` follows somewhere, so the comma is right.
            let text: StaticString = #""stream_options":{"include_usage":true},"#
            return (false, Edit(removed: start..<start, inserted: text))
        }
        if options.isNull {
            return (false, Edit(removed: options.range, inserted: #"{"include_usage":true}"#))
        }
        guard options.kind == .object else { throw .wrongType("stream_options", "an object") }
        var members = try Self.members(inside: options)
        var isEmpty = true
        var include: JSONFragment?
        while let member = try Self.next(&members) {
            isEmpty = false
            if member.isNamed("include_usage") { include = member.value }
        }
        if let include {
            if try flag(include, "stream_options.include_usage") { return (true, nil) }
            return (false, Edit(removed: include.range, inserted: "true"))
        }
        let start = options.range.lowerBound + 1
        let text: StaticString = isEmpty ? #""include_usage":true"# : #""include_usage":true,"#
        return (false, Edit(removed: start..<start, inserted: text))
    }

    private static func members(
        of body: UnsafeRawBufferPointer
    ) throws(OpenAIRequestProblem) -> JSONMembers {
        do { return try JSONMembers(body) } catch { throw .notJSON(error) }
    }

    private static func members(inside value: JSONFragment) throws(OpenAIRequestProblem) -> JSONMembers {
        do { return try value.members() } catch { throw .notJSON(error) }
    }

    private static func next(_ members: inout JSONMembers) throws(OpenAIRequestProblem) -> JSONMember? {
        do { return try members.next() } catch { throw .notJSON(error) }
    }
}

/// Why a body cannot be served; safe to tell the caller.
package enum OpenAIRequestProblem: Error {
    case notJSON(JSONError)
    case modelMissing
    /// A member the gateway reads has the wrong type: its name, and what it must be.
    case wrongType(StaticString, StaticString)
}
