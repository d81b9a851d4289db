import JSONText

enum ToolArguments {
    /// Arguments as the object all formats but OpenAI's want; what is no object is put into one.
    static func object(_ text: String) -> JSONValue {
        guard let value = try? JSONValue.parse(Array(text.utf8)) else { return ["input": .string(text)] }
        return value.object != nil ? value : ["input": value]
    }
}
