package import JSONText

/// A generation call as a client sent it, checked and understood as far as the gateway must. Borrows the
/// body; no heap, except where the model's name comes from the path.
package struct ClientCall {
    package let work: CallWork
    package let body: UnsafeRawBufferPointer
    /// The call as OpenAI's chat and its like have it, ready to be spliced; nil for other forms.
    package let openAI: OpenAIChatRequest?
    /// The form that names the model, for works with files.
    package let multipart: MultipartModel?
    /// The model's name in the body; nil for forms that say it in the path.
    package let model: JSONFragment?
    /// The model's name from the path.
    package let pathModel: String
    package let isStream: Bool
    /// The caller wants usage at the end of a stream.
    package let asksForUsage: Bool
    /// What the model reads, for estimates. Unit: bytes of JSON text.
    package let promptBytes: Int

    /// - Parameter routeName: the route's name where the path says it, whatever the body says.
    package init(
        _ request: OpenAIChatRequest, for work: CallWork = .generation(.openAIChat), routeName: String = ""
    ) {
        self.work = work
        body = request.body
        openAI = request
        multipart = nil
        model = request.model
        pathModel = routeName
        isStream = request.isStream
        asksForUsage = request.asksForUsage
        promptBytes = request.promptBytes
    }

    /// Checks the whole body: strict JSON, no repeated member at the top.
    ///
    /// - Parameters:
    ///   - model: the model's name where the path says it.
    ///   - isStream: whether the path asks for a stream; the body decides in forms that say it there.
    package init(
        parsing body: UnsafeRawBufferPointer, for work: CallWork, model pathModel: String? = nil,
        isStream pathIsStream: Bool = false
    ) throws(RequestProblem) {
        var model: JSONFragment?
        var stream: JSONFragment?
        var promptBytes = 0
        do throws(JSONError) {
            var members = try JSONMembers(body)
            while let member = try members.next() {
                if member.isNamed("model") {
                    model = member.value
                } else if member.isNamed("stream") {
                    stream = member.value
                } else if Self.isPrompt(member) {
                    promptBytes += member.value.range.count
                }
            }
        } catch { throw .notJSON(error) }
        self.work = work
        self.body = body
        self.promptBytes = promptBytes
        openAI = nil
        multipart = nil
        asksForUsage = true
        if let pathModel {
            self.model = nil
            self.pathModel = pathModel
            isStream = pathIsStream
            return
        }
        guard let model, !model.isNull else { throw .missing("model") }
        guard model.kind == .string else { throw .wrongType("model", "a string") }
        self.model = model
        self.pathModel = ""
        if let stream, !stream.isNull {
            guard let flag = stream.boolean else { throw .wrongType("stream", "true or false") }
            isStream = flag
        } else {
            isStream = work == .generation(.ollama(.chat)) || work == .generation(.ollama(.generate))
        }
    }

    /// A form with files in it.
    package init(_ form: MultipartModel, for operation: OpenAIOperation) {
        work = .plain(operation)
        body = form.body
        openAI = nil
        multipart = form
        model = nil
        pathModel = form.name
        isStream = false
        asksForUsage = false
        promptBytes = 0
    }

    private static func isPrompt(_ member: JSONMember) -> Bool {
        member.isNamed("messages") || member.isNamed("system") || member.isNamed("contents")
            || member.isNamed("systemInstruction") || member.isNamed("system_instruction")
            || member.isNamed("prompt") || member.isNamed("tools") || member.isNamed("input")
            || member.isNamed("instructions") || member.isNamed("content") || member.isNamed("requests")
    }

    /// The model's name as the caller wrote it, escapes resolved.
    package var modelName: String { pathModel.isEmpty ? model?.string ?? "" : pathModel }

    /// The body as a tree.
    package func value() throws(RequestProblem) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue.parse(
                body, limits: JSONLimits(maximumBytes: body.count, maximumValues: 1_000_000))
        } catch { throw .notJSON(error) }
    }

    /// The body with the provider's own name of the model (quoted JSON), for a provider of the same dialect.
    package func spliced(model name: UnsafeRawBufferPointer) -> SplicedBody {
        if let openAI { return openAI.spliced(model: name) }
        if let multipart {
            // Without the quotes of JSON.
            return multipart.spliced(model: UnsafeRawBufferPointer(rebasing: name.dropFirst().dropLast()))
        }
        var result = SplicedBody()
        guard let model else {
            result.add(body)
            return result
        }
        result.add(body[..<model.range.lowerBound])
        result.add(name)
        result.add(body[model.range.upperBound...])
        return result
    }
}
