import JSONText

/// The answers of `GET /v1/models` and `GET /v1/models/{id}` in OpenAI's format.
package struct OpenAIModel: Sendable {
    /// The route's name, which is what applications put into `model`.
    package let id: String
    /// Seconds since 1970.
    package let created: Int64

    package init(id: String, created: Int64) {
        self.id = id
        self.created = created
    }

    package func body() -> [UInt8] {
        var writer = JSONWriter()
        write(to: &writer)
        return writer.bytes
    }

    /// The list of these models.
    package static func list(_ models: [OpenAIModel]) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("object", "list")
            writer.arrayField("data") { writer in
                for model in models { model.write(to: &writer) }
            }
        }
        return writer.bytes
    }

    private func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("id", id)
            writer.field("object", "model")
            writer.field("created", created)
            writer.field("owned_by", "eclusa")
        }
    }
}
