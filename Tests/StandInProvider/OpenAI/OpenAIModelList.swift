import JSONText

/// The answer of `GET /v1/models`: a few of the names the stand-in understands.
enum OpenAIModelList {
    static let names = [
        "stand-in", "stand-in-chunks-50", "stand-in-delay-250ms", "stand-in-chunks-50-gap-20ms",
        "stand-in-bytes-600", "stand-in-error-429", "stand-in-error-500", "stand-in-cut",
        "stand-in-malformed",
    ]

    static func body() -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("object", "list")
            writer.arrayField("data") { writer in
                for name in names { write(name, to: &writer) }
            }
        }
        return writer.bytes
    }

    static func body(of name: String) -> [UInt8] {
        var writer = JSONWriter()
        write(name, to: &writer)
        return writer.bytes
    }

    private static func write(_ name: String, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("id", name)
            writer.field("object", "model")
            writer.field("created", 1_700_000_000)
            writer.field("owned_by", "eclusa-stand-in")
        }
    }
}
