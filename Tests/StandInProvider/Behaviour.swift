/// What a model name asks the stand-in to do: `stand-in` followed by any of
/// `-error-429`, `-error-429-quota`, `-error-400-long`, `-error-400-policy`, `-delay-250ms`, `-chunks-50`,
/// `-gap-20ms`, `-bytes-600`, `-cut`, `-reset`, `-hang`, `-malformed`,
/// `-lying-length`, `-usage-null`, `-usage-none`, `-usage-hostile`, `-error-event`, `-no-done`, `-untidy`,
/// `-cached`.
package struct Behaviour: Hashable, Sendable {
    package enum Usage: Sendable { case honest, null, none, hostile }

    /// What an error is about.
    package enum ErrorKind: String, Sendable { case long, policy, quota }

    /// Answer with this error status instead.
    package var errorStatus: Int?
    package var errorKind: ErrorKind?
    /// Milliseconds before the first byte.
    package var delay = 0
    /// Milliseconds between stream chunks.
    package var gap = 0
    /// Content chunks of a stream; nil lets the text decide.
    package var chunks: Int?
    /// Bytes of the plain answer's body; smaller than the smallest possible means that.
    package var bytes: Int?
    /// Stop half-way and close, in a stream or a plain answer.
    package var isCut = false
    /// Close without one byte of answer.
    package var isReset = false
    /// Never answer.
    package var isHanging = false
    /// Send something that is not JSON.
    package var isMalformed = false
    /// Declare a longer body than is sent, then close.
    package var isLyingAboutLength = false
    package var usage = Usage.honest
    /// Put an error event into the middle of the stream, then end it.
    package var hasErrorEvent = false
    /// End the stream cleanly, but without its terminator.
    package var isWithoutDone = false
    /// Send header fields that no gateway may pass on.
    package var isUntidy = false
    /// Half of the prompt was read from a cache.
    package var isCached = false

    package static let maximumMilliseconds = 60_000
    package static let maximumChunks = 10_000
    package static let maximumBytes = 64 << 20
    private static let prefix = "stand-in"

    package init() {}

    /// The behaviour of a model name; nil when the name is not one of the stand-in's.
    package init?(model: String) {
        guard model.hasPrefix(Self.prefix) else { return nil }
        var words = model.dropFirst(Self.prefix.count).split(
            separator: "-", omittingEmptySubsequences: false)[...]
        guard words.popFirst()?.isEmpty == true else { return nil }
        while let word = words.popFirst() {
            guard take(word, &words) else { return nil }
        }
    }

    private mutating func take(_ word: Substring, _ words: inout ArraySlice<Substring>) -> Bool {
        switch word {
        case "cut": isCut = true
        case "reset": isReset = true
        case "hang": isHanging = true
        case "malformed": isMalformed = true
        case "untidy": isUntidy = true
        case "cached": isCached = true
        case "no": if words.popFirst() == "done" { isWithoutDone = true } else { return false }
        case "lying": if words.popFirst() == "length" { isLyingAboutLength = true } else { return false }
        case "usage":
            switch words.popFirst() {
            case "null": usage = .null
            case "none": usage = .none
            case "hostile": usage = .hostile
            default: return false
            }
        case "error":
            let value = words.popFirst()
            if value == "event" {
                hasErrorEvent = true
            } else {
                guard let status = value.flatMap({ Int($0) }), (400...599).contains(status) else {
                    return false
                }
                errorStatus = status
                if let kind = words.first.flatMap({ ErrorKind(rawValue: String($0)) }) {
                    errorKind = kind
                    words.removeFirst()
                }
            }
        case "delay", "gap":
            guard let value = Self.milliseconds(words.popFirst()) else { return false }
            if word == "gap" { gap = value } else { delay = value }
        case "chunks":
            guard let value = Self.number(words.popFirst(), Self.maximumChunks), value > 0 else {
                return false
            }
            chunks = value
        case "bytes":
            guard let value = Self.number(words.popFirst(), Self.maximumBytes) else { return false }
            bytes = value
        default: return false
        }
        return true
    }

    private static func milliseconds(_ word: Substring?) -> Int? {
        guard let word, word.hasSuffix("ms") else { return nil }
        return number(word.dropLast(2), maximumMilliseconds)
    }

    private static func number(_ word: Substring?, _ maximum: Int) -> Int? {
        guard let word, let value = Int(word), (0...maximum).contains(value) else { return nil }
        return value
    }
}
