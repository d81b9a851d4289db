package import Domain
import Glibc
import JSONText

/// What of a request's body decides where the call goes; read only for routes that ask for it. Knows the
/// members of every dialect: what one calls so means the same in the others, or nothing.
package struct CallTraits: Sendable, Hashable {
    /// What the model must be able to do, as far as the body shows.
    package private(set) var needs: CapabilitySet = []
    /// Pictures, sound or files are in it: its bytes say little about its tokens.
    package private(set) var hasMedia = false
    /// A hash of the caller's word for its session; 0: it says none.
    package private(set) var session: UInt64 = 0
    /// A hash of the beginning of what the model reads.
    package private(set) var promptPrefix: UInt64 = 0

    /// Bytes of the prompt that count as its beginning.
    package static let prefixBytes = 1024

    /// Of a body that is no JSON object: nothing.
    package init(_ body: UnsafeRawBufferPointer) {
        guard var members = try? JSONMembers(body) else { return }
        var system: UnsafeRawBufferPointer?
        var prompt: UnsafeRawBufferPointer?
        while let member = try? members.next() {
            let bytes = member.value.bytes
            if member.isNamed("messages") || member.isNamed("contents") || member.isNamed("input")
                || member.isNamed("prompt")
            {
                prompt = bytes
                readMedia(bytes)
            } else if member.isNamed("system") || member.isNamed("systemInstruction")
                || member.isNamed("system_instruction") || member.isNamed("instructions")
            {
                system = bytes
            } else if member.isNamed("images") {
                // Ollama's way beside a plain prompt.
                if member.value.kind == .array, !member.value.isEmptyArray { add(media: .vision) }
            } else {
                readSetting(member)
            }
        }
        promptPrefix = Self.hash(system, prompt)
    }

    private mutating func add(media capability: ModelCapability) {
        needs.formUnion(CapabilitySet([capability]))
        hasMedia = true
    }

    private mutating func readSetting(_ member: JSONMember) {
        let value = member.value
        if member.isNamed("tools") {
            if value.kind == .array, !value.isEmptyArray { needs.formUnion(CapabilitySet([.tools])) }
        } else if member.isNamed("response_format") || member.isNamed("format")
            || member.isNamed("generationConfig") || member.isNamed("generation_config")
            || member.isNamed("text") || member.isNamed("output_config")
        {
            let isSchema =
                Self.contains("\"json_schema\"", value.bytes) || Self.contains("chema\"", value.bytes)
            if isSchema { needs.formUnion(CapabilitySet([.structuredOutput])) }
        } else if member.isNamed("reasoning_effort") || member.isNamed("reasoning") {
            if !value.isNull, !value.isString("none") { needs.formUnion(CapabilitySet([.reasoning])) }
        } else if member.isNamed("thinking") {
            if Self.contains("\"enabled\"", value.bytes) { needs.formUnion(CapabilitySet([.reasoning])) }
        } else if member.isNamed("prompt_cache_key") || member.isNamed("user") {
            // The narrower word wins.
            if let text = value.stringBytes, member.isNamed("prompt_cache_key") || session == 0 {
                session = Self.hash(text)
            }
        }
    }

    /// Names of parts stand in quotes; a text that quotes them has backslashes before the quotes.
    private mutating func readMedia(_ bytes: UnsafeRawBufferPointer) {
        for name in ["\"image_url\"", "\"input_image\"", "\"image\"", "\"images\""] as [StaticString]
        where Self.contains(name, bytes) {
            add(media: .vision)
        }
        if Self.contains("\"input_audio\"", bytes) { add(media: .audioInput) }
        for name in ["\"document\"", "\"input_file\"", "\"file\""] as [StaticString]
        where Self.contains(name, bytes) {
            add(media: .documentInput)
        }
        let isInline =
            (["\"inlineData\"", "\"inline_data\"", "\"fileData\"", "\"file_data\""] as [StaticString])
            .contains { Self.contains($0, bytes) }
        guard isInline else { return }
        if Self.contains("\"image/", bytes) { add(media: .vision) }
        if Self.contains("\"audio/", bytes) { add(media: .audioInput) }
        if Self.contains("\"application/", bytes) { add(media: .documentInput) }
        hasMedia = true
    }

    private static func contains(_ text: StaticString, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard var start = bytes.baseAddress else { return false }
        let length = text.utf8CodeUnitCount
        var left = bytes.count
        while left >= length, let found = memchr(start, Int32(text.utf8Start.pointee), left - length + 1) {
            if memcmp(found, text.utf8Start, length) == 0 { return true }
            left -= UnsafeRawPointer(found) + 1 - start
            start = UnsafeRawPointer(found) + 1
        }
        return false
    }

    private static func hash(
        _ system: UnsafeRawBufferPointer?, _ prompt: UnsafeRawBufferPointer?
    ) -> UInt64 {
        guard system != nil || prompt != nil else { return 0 }
        var hash = offset
        if let system { hash = Self.hash(beginning(of: system), onto: hash) }
        if let prompt { hash = Self.hash(beginning(of: prompt), onto: hash) }
        return hash
    }

    private static func beginning(of bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes.prefix(prefixBytes))
    }

    private static let offset: UInt64 = 0xCBF2_9CE4_8422_2325

    /// FNV-1a: callers who make theirs collide only send their own calls to one place. Never 0.
    package static func hash(_ bytes: UnsafeRawBufferPointer, onto start: UInt64? = nil) -> UInt64 {
        var hash = start ?? offset
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash == 0 ? 1 : hash
    }
}
