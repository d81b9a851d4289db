import JSONText

/// What the stand-in reads of a chat completion request. Borrows the body.
struct OpenAICall {
    /// The model's name as it stands between its quotes, and its text.
    let modelBytes: UnsafeRawBufferPointer
    let isStream: Bool
    let includesUsage: Bool
    /// The start of the last message's text, as it stands in JSON, cut between characters.
    let echo: UnsafeRawBufferPointer
    /// Four bytes of the messages' JSON a token, rounded up.
    let promptTokens: Int
    /// Tools, pictures, a schema or thoughts are asked for: more than a text.
    let isRich: Bool
    /// Tells prompts apart: the same body gives the same number.
    let fingerprint: UInt64

    private static let echoBytes = 80

    /// The call, or the member that is wrong.
    static func parse(_ body: UnsafeRawBufferPointer) -> Result<OpenAICall, OpenAICallProblem> {
        do throws(JSONError) {
            var members = try JSONMembers(body)
            var model: JSONFragment?
            var messages: JSONFragment?
            var stream = false
            var usage = false
            var isRich = false
            while let member = try members.next() {
                if member.isNamed("model") {
                    model = member.value
                } else if member.isNamed("messages") {
                    messages = member.value
                } else if member.isNamed("tools") || member.isNamed("response_format")
                    || member.isNamed("reasoning_effort")
                {
                    isRich = !member.value.isNull
                } else if member.isNamed("stream") {
                    stream = member.value.boolean ?? false
                } else if member.isNamed("stream_options"), member.value.kind == .object {
                    var options = try member.value.members()
                    while let option = try options.next() {
                        if option.isNamed("include_usage") { usage = option.value.boolean ?? false }
                    }
                }
            }
            guard let name = model?.stringBytes else { return .failure(.missing("model")) }
            guard let messages, messages.kind == .array else { return .failure(.missing("messages")) }
            if !isRich { isRich = try isRichConversation(messages) }
            return .success(
                OpenAICall(
                    modelBytes: name, isStream: stream, includesUsage: usage,
                    echo: try lastText(messages), promptTokens: (messages.range.count + 3) / 4,
                    isRich: isRich,
                    fingerprint: hash(messages.bytes)))
        } catch {
            return .failure(.notJSON)
        }
    }

    /// Whether the last message is more than a text: a tool's result, or one with a picture.
    private static func isRichConversation(_ messages: JSONFragment) throws(JSONError) -> Bool {
        var elements = try messages.elements()
        var last: JSONFragment?
        while let element = try elements.next() { last = element }
        guard let last, last.kind == .object else { return false }
        var members = try last.members()
        var isRich = false
        while let member = try members.next() {
            if member.isNamed("role") { isRich = isRich || member.value.isString("tool") }
            guard member.isNamed("content"), member.value.kind == .array else { continue }
            var parts = try member.value.elements()
            while let part = try parts.next() {
                guard part.kind == .object else { continue }
                var inner = try part.members()
                while let each = try inner.next() { isRich = isRich || each.isNamed("image_url") }
            }
        }
        return isRich
    }

    private static func lastText(_ messages: JSONFragment) throws(JSONError) -> UnsafeRawBufferPointer {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        var elements = try messages.elements()
        var last: JSONFragment?
        while let element = try elements.next() { last = element }
        guard let last, last.kind == .object else { return nothing }
        var members = try last.members()
        while let member = try members.next() {
            guard member.isNamed("content") else { continue }
            if let text = member.value.stringBytes { return cut(text) }
            guard member.value.kind == .array else { return nothing }
            var parts = try member.value.elements()
            while let part = try parts.next() {
                guard part.kind == .object else { continue }
                var inner = try part.members()
                while let each = try inner.next() {
                    if each.isNamed("text"), let text = each.value.stringBytes { return cut(text) }
                }
            }
        }
        return nothing
    }

    /// The first bytes of a JSON text, not ending inside an escape, a surrogate pair or a UTF-8 sequence.
    static func cut(_ text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var end = 0
        while end < text.count {
            var next = end + 1
            if text[end] == UInt8(ascii: "\\") {
                next = end + (text[end + 1] == UInt8(ascii: "u") ? 6 : 2)
                if next == end + 6, isHighSurrogate(text[end + 2], text[end + 3]) { next = end + 12 }
            } else {
                while next < text.count, text[next] & 0xC0 == 0x80 { next += 1 }
            }
            if next > echoBytes { break }
            end = next
        }
        return UnsafeRawBufferPointer(rebasing: text[..<end])
    }

    /// Whether a \u escape that starts with these two digits is a high surrogate: another escape follows.
    private static func isHighSurrogate(_ first: UInt8, _ second: UInt8) -> Bool {
        guard first | 0x20 == UInt8(ascii: "d") else { return false }
        return second == UInt8(ascii: "8") || second == UInt8(ascii: "9")
            || second | 0x20 == UInt8(ascii: "a") || second | 0x20 == UInt8(ascii: "b")
    }

    private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(bytes.count)
        var offset = 0
        while offset &+ 8 <= bytes.count {
            state =
                (state ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                &* 0xFF51_AFD7_ED55_8CCD
            state ^= state >> 32
            offset &+= 8
        }
        while offset < bytes.count {
            state = (state ^ UInt64(bytes[offset])) &* 0xC4CE_B9FE_1A85_EC53
            state ^= state >> 29
            offset &+= 1
        }
        return state
    }
}

enum OpenAICallProblem: Error {
    case notJSON
    case missing(StaticString)
}
