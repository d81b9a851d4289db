import Domain
import Glibc

/// What data of persons look like, and the sums that tell them from other digits.
enum PersonalDataRules {
    static func rules(for datum: PersonalDatum) -> [Detector.Rule] {
        switch datum {
        case .email:
            [
                rule(
                    #"\b[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){1,8}[A-Za-z]{2,24}\b"#,
                    datum)
            ]
        case .phone:
            [
                rule(#"\+[1-9](?:[ ().\-]{0,2}\d){7,14}\b"#, datum),
                rule(#"\(?\b[2-9]\d{2}\)?[ .\-]\d{3}[ .\-]\d{4}\b"#, datum),
            ]
        case .card: [rule(#"\b\d(?:[ \-]?\d){12,18}\b"#, datum, isCard)]
        case .iban: [rule(#"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b"#, datum, isIBAN)]
        case .ipAddress:
            [
                rule(#"\b(?:\d{1,3}\.){3}\d{1,3}\b"#, datum) { isAddress($0, AF_INET) },
                rule(#"(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}"#, datum) { isAddress($0, AF_INET6) },
            ]
        }
    }

    private static func rule(
        _ text: String, _ datum: PersonalDatum,
        _ isGenuine: (@Sendable (UnsafeRawBufferPointer) -> Bool)? = nil
    ) -> Detector.Rule {
        Detector.Rule(pattern: known(text), label: datum.rawValue, isGenuine: isGenuine)
    }

    /// A pattern of ours: a test makes them all.
    static func known(_ text: String) -> Pattern {
        do throws(Pattern.Problem) { return try Pattern(text) } catch {
            preconditionFailure("a pattern of this program is none: \(error.reason)")
        }
    }

    /// The check digit of payment cards (ISO/IEC 7812): Luhn's sum.
    static func isCard(_ text: UnsafeRawBufferPointer) -> Bool {
        let digits = text.filter { (48...57).contains($0) }.map { Int($0) - 48 }
        guard (13...19).contains(digits.count), Set(digits).count > 1 else { return false }
        let sum = digits.reversed().enumerated().reduce(0) { sum, place in
            let doubled = place.offset % 2 == 1 ? place.element * 2 : place.element
            return sum + (doubled > 9 ? doubled - 9 : doubled)
        }
        return sum % 10 == 0
    }

    /// The check digits of bank accounts (ISO 13616): the number of the rearranged text is 1 modulo 97.
    static func isIBAN(_ text: UnsafeRawBufferPointer) -> Bool {
        let letters = text.filter { $0 != 32 }
        guard (15...34).contains(letters.count) else { return false }
        var rest = 0
        for letter in letters[4...] + letters[..<4] {
            switch letter {
            case 48...57: rest = (rest * 10 + Int(letter) - 48) % 97
            case 65...90: rest = (rest * 100 + Int(letter) - 55) % 97
            default: return false
            }
        }
        return rest == 1
    }

    private static func isAddress(_ text: UnsafeRawBufferPointer, _ family: Int32) -> Bool {
        // `::` alone is as often code as it is an address.
        guard text.count >= 7 || (family == AF_INET6 && text.count > 3) else { return false }
        var address = in6_addr()
        return String(decoding: text, as: UTF8.self).withCString { inet_pton(family, $0, &address) } == 1
    }
}
