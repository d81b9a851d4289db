import Domain
package import JSONText

/// A model as the lists of each dialect show it.
package struct ListedModel: Sendable {
    /// The route's name, which is what applications ask for.
    package let id: String
    /// Seconds since 1970.
    package let created: Int64

    package init(id: String, created: Int64) {
        self.id = id
        self.created = created
    }

    /// The answer that is about this model alone.
    package func body(in dialect: ClientDialect) -> [UInt8] { value(in: dialect).bytes }

    /// The list of these models.
    package static func list(_ models: [ListedModel], in dialect: ClientDialect) -> [UInt8] {
        let values = JSONValue.array(models.map { $0.value(in: dialect) })
        let list: JSONValue
        switch dialect {
        case .openAI: list = ["object": "list", "data": values]
        case .anthropic:
            list = [
                "data": values, "has_more": false,
                "first_id": models.first.map { .string($0.id) } ?? .null,
                "last_id": models.last.map { .string($0.id) } ?? .null,
            ]
        case .gemini, .ollama: list = ["models": values]
        }
        return list.bytes
    }

    /// What Ollama's `/api/show` says.
    package var ollamaDescription: JSONValue {
        [
            "modified_at": .string(time), "details": Self.ollamaDetails,
            "model_info": ["general.architecture": "route"],
            "capabilities": ["completion", "tools", "vision"],
        ]
    }

    private var time: String { Timestamp(microseconds: created * 1_000_000).description }

    private func value(in dialect: ClientDialect) -> JSONValue {
        switch dialect {
        case .openAI:
            [
                "id": .string(id), "object": "model", "created": .number(JSONNumber(created)),
                "owned_by": "eclusa",
            ]
        case .anthropic:
            ["type": "model", "id": .string(id), "display_name": .string(id), "created_at": .string(time)]
        case .gemini:
            [
                "name": .string("models/\(id)"), "displayName": .string(id), "version": "1",
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            ]
        case .ollama:
            [
                "name": .string(id), "model": .string(id), "modified_at": .string(time), "size": 0,
                "digest": "", "details": Self.ollamaDetails,
            ]
        }
    }

    private static let ollamaDetails: JSONValue = [
        "parent_model": "", "format": "", "family": "", "families": [], "parameter_size": "",
        "quantization_level": "",
    ]
}
