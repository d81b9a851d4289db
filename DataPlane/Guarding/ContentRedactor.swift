package import Contract
import Domain
import JSONText
import Patterns

/// Takes credentials and data of persons out of what was said in a call, whatever its tenant's guardrails do.
/// Any thread; its time is linear in the text.
package enum ContentRedactor {
    /// Taken in beyond what is kept: what begins before the cut is known for what it is.
    private static let margin = 8 << 10
    /// How much of one side is worth taking in. Unit: bytes.
    package static let wantedBytes = CallContent.maximumTextBytes + margin

    private static let detectors = [Detector.secrets, Detector(personalData: PersonalDatum.allCases)]
    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    /// JSON text, or the beginning of one: the texts in it with marks in the places of what is redacted.
    ///
    /// - Parameter byteCount: how long it is in all.
    package static func side(of json: [UInt8], byteCount: Int) -> CallContent.Side {
        let isCut = byteCount > json.count
        var (kept, count) = redacted(json)
        // A secret that the cut goes through looks like none.
        if isCut { kept.removeLast(min(margin, kept.count)) }
        let limit = CallContent.maximumTextBytes
        let isTruncated = isCut || kept.count > limit
        kept = Array(kept.prefix(limit))
        if isTruncated { kept.removeLast(unfinishedBytes(kept)) }
        var text = String(decoding: kept, as: UTF8.self)
        // Bytes that are no characters take more room as what stands for them.
        while text.utf8.count > limit { text.removeLast() }
        return CallContent.Side(
            text: text, byteCount: UInt64(byteCount), isTruncated: isTruncated, redactions: UInt32(count))
    }

    private static func redacted(_ json: [UInt8]) -> (bytes: [UInt8], count: Int) {
        var output: [UInt8] = []
        output.reserveCapacity(json.count)
        var count = 0
        var index = 0
        while index < json.count {
            if json[index] == quote {
                let end = endOfString(json, from: index + 1)
                let (text, found) = redactedString(json[(index + 1)..<end])
                output.append(quote)
                output += text
                count += found
                if end < json.count { output.append(quote) }
                index = end + 1
            } else {
                let end = json[index...].firstIndex(of: quote) ?? json.count
                let (between, found) = redactedNumbers(json[index..<end])
                output += between
                count += found
                index = end
            }
        }
        return (output, count)
    }

    /// Where the closing quote is; the end of everything when it is missing.
    private static func endOfString(_ json: [UInt8], from start: Int) -> Int {
        var index = start
        while index < json.count, json[index] != quote { index += json[index] == backslash ? 2 : 1 }
        return min(index, json.count)
    }

    /// What stands between the quotes, escapes and all.
    private static func redactedString(_ raw: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, Int) {
        let text = raw.contains(backslash) ? unescaped(raw) : Array(raw)
        guard let (changed, count) = redactedText(text) else { return (raw, 0) }
        let quoted = JSONValue.string(String(decoding: changed, as: UTF8.self)).bytes
        return (quoted[1..<(quoted.count - 1)], count)
    }

    /// The text of a string; of one that is cut inside an escape, without that.
    private static func unescaped(_ raw: ArraySlice<UInt8>) -> [UInt8] {
        // Half of a pair of surrogates is twelve bytes at most.
        for cut in 0...min(12, raw.count) {
            let quoted = [quote] + raw.dropLast(cut) + [quote]
            let limits = JSONLimits(maximumBytes: quoted.count)
            if let text = try? JSONValue.parse(quoted, limits: limits).string { return Array(text.utf8) }
        }
        return Array(raw)
    }

    /// Between the texts: numbers, which can be those of a card.
    private static func redactedNumbers(_ raw: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, Int) {
        guard raw.count > 12, let (changed, count) = redactedText(Array(raw), quoting: true) else {
            return (raw, 0)
        }
        return (changed[...], count)
    }

    /// nil: nothing was found.
    private static func redactedText(_ text: [UInt8], quoting: Bool = false) -> ([UInt8], Int)? {
        var text = text
        var count = 0
        for detector in detectors {
            text = text.withUnsafeBytes { bytes in
                let findings = detector.findings(in: bytes)
                if findings.isEmpty { return text }
                count += findings.count
                return quoting ? quoted(bytes, findings) : Detector.redacted(bytes, findings)
            }
        }
        return count == 0 ? nil : (text, count)
    }

    private static func quoted(_ bytes: UnsafeRawBufferPointer, _ findings: [Finding]) -> [UInt8] {
        var result: [UInt8] = []
        var offset = 0
        for finding in findings {
            result += bytes[offset..<finding.range.lowerBound]
            result += Array("\"\(Detector.mark(finding.label))\"".utf8)
            offset = finding.range.upperBound
        }
        return result + bytes[offset...]
    }

    /// Bytes at the end that are the beginning of a character.
    private static func unfinishedBytes(_ bytes: [UInt8]) -> Int {
        for back in 1...min(4, max(1, bytes.count)) where back <= bytes.count {
            let byte = bytes[bytes.count - back]
            if byte & 0xC0 == 0x80 { continue }
            let length = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
            return length > back ? back : 0
        }
        return 0
    }
}
