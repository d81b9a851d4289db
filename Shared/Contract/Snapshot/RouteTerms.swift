import Domain
import JSONText

// The parts of a route as they stand in a snapshot. Their fields lie among those of the record they are part
// of.

extension TargetTerms {
    func encode(into writer: inout FieldWriter) {
        writer.signed(4, weight)
        writer.signed(5, priority)
        if use != .traffic { writer.text(7, use.rawValue) }
        if conditions != .none { writer.record(8, conditions.encode) }
        for parameter in parameters {
            writer.record(9) { inner in
                inner.text(1, parameter.name)
                inner.text(2, parameter.json)
            }
        }
    }

    init(from reader: inout FieldReader) throws(CodecError) {
        self.init(weight: 0, priority: 0)
        while let field = try reader.next() { try take(field) }
    }

    /// Takes one of the fields of a target; the others are not its.
    mutating func take(_ field: Field) throws(CodecError) {
        switch field.tag {
        case 4: weight = try field.signed()
        case 5: priority = try field.signed()
        case 7: use = try field.word()
        case 8:
            var reader = try field.record()
            conditions = try TargetConditions(from: &reader)
        case 9:
            try parameters.append(
                Self.parameter(field), upTo: TargetParameter.maximumCount, "parameters of a target")
        default: break
        }
    }

    private static func parameter(_ field: Field) throws(CodecError) -> TargetParameter {
        var reader = try field.record()
        var name = ""
        var json = ""
        while let field = try reader.next() {
            switch field.tag {
            case 1: name = try field.text(upTo: TargetParameter.maximumNameBytes)
            case 2:
                let bytes = try field.bytes(upTo: TargetParameter.maximumBytes)
                // It goes into requests as it stands.
                do throws(JSONError) { _ = try JSONValue.parse(bytes) } catch {
                    throw .malformed("a parameter that is no JSON")
                }
                json = String(decoding: bytes, as: UTF8.self)
            default: continue
            }
        }
        return TargetParameter(name: name, json: json)
    }
}

extension TargetConditions {
    func encode(into writer: inout FieldWriter) {
        for tag in tags { writer.text(1, tag) }
        writer.signed(2, minimumInput)
        if let maximumInput { writer.signed(3, maximumInput &+ 1) }
        writer.number(4, needs.rawValue)
        if let hours {
            writer.record(5) { inner in
                inner.number(1, hours.days)
                inner.signed(2, hours.from)
                inner.signed(3, hours.until)
            }
        }
    }

    init(from reader: inout FieldReader) throws(CodecError) {
        self.init()
        while let field = try reader.next() {
            switch field.tag {
            case 1: try tags.append(field.text(upTo: 64), upTo: Self.maximumTags, "tags of a condition")
            case 2: minimumInput = try field.signed()
            case 3: maximumInput = try field.signed(as: Int64.self) &- 1
            case 4: needs = CapabilitySet(rawValue: try field.number(upTo: .max))
            case 5: hours = try Self.hours(field)
            default: continue
            }
        }
    }

    private static func hours(_ field: Field) throws(CodecError) -> WeeklyHours {
        var reader = try field.record()
        var days: UInt8 = 0
        var from: Int32 = 0
        var until: Int32 = 0
        while let field = try reader.next() {
            switch field.tag {
            case 1: days = try field.number(upTo: 127)
            case 2: from = try field.signed()
            case 3: until = try field.signed()
            default: continue
            }
        }
        return WeeklyHours(days: days, from: from, until: until)
    }
}

extension RouteRules {
    /// Six fields from a tag on. What is as usual is not written.
    func encode(from tag: UInt32, into writer: inout FieldWriter) {
        let usual = RouteRules.standard
        if strategy != usual.strategy { writer.text(tag, strategy.rawValue) }
        if affinity != usual.affinity { writer.text(tag + 1, affinity.rawValue) }
        if retries != usual.retries {
            writer.record(tag + 2) { inner in
                inner.signed(1, retries.attempts)
                inner.signed(2, retries.attemptsPerTarget)
                inner.signed(3, retries.backoff)
                inner.signed(4, retries.hedgeAfter)
                inner.signed(5, retries.hedgePercentile)
            }
        }
        if timeouts != usual.timeouts {
            writer.record(tag + 3) { inner in
                inner.signed(1, timeouts.connect ?? 0)
                inner.signed(2, timeouts.firstByte ?? 0)
                inner.signed(3, timeouts.firstToken ?? 0)
                inner.signed(4, timeouts.betweenChunks ?? 0)
                inner.signed(5, timeouts.total ?? 0)
            }
        }
        if let cache {
            writer.record(tag + 4) { inner in
                inner.signed(1, cache.seconds)
                inner.signed(2, cache.maximumBytes)
            }
        }
        if untranslated != usual.untranslated { writer.text(tag + 5, untranslated.rawValue) }
    }

    /// Takes one of its fields.
    mutating func take(_ field: Field, from tag: UInt32) throws(CodecError) {
        switch field.tag {
        case tag: strategy = try field.word()
        case tag + 1: affinity = try field.word()
        case tag + 2: retries = try Self.retries(field)
        case tag + 3: timeouts = try Self.timeouts(field)
        case tag + 4: cache = try Self.cache(field)
        case tag + 5: untranslated = try field.word()
        default: break
        }
    }

    private static func retries(_ field: Field) throws(CodecError) -> RetryRules {
        var reader = try field.record()
        var retries = RetryRules(attempts: 0, attemptsPerTarget: 0, backoff: 0, hedgeAfter: 0)
        while let field = try reader.next() {
            switch field.tag {
            case 1: retries.attempts = try field.signed()
            case 2: retries.attemptsPerTarget = try field.signed()
            case 3: retries.backoff = try field.signed()
            case 4: retries.hedgeAfter = try field.signed()
            case 5: retries.hedgePercentile = try field.signed()
            default: continue
            }
        }
        return retries
    }

    private static func cache(_ field: Field) throws(CodecError) -> RouteCache {
        var reader = try field.record()
        var cache = RouteCache(seconds: 0, maximumBytes: 0)
        while let field = try reader.next() {
            switch field.tag {
            case 1: cache.seconds = try field.signed()
            case 2: cache.maximumBytes = try field.signed()
            default: continue
            }
        }
        return cache
    }

    private static func timeouts(_ field: Field) throws(CodecError) -> RouteTimeouts {
        var reader = try field.record()
        var timeouts = RouteTimeouts.none
        while let field = try reader.next() {
            switch field.tag {
            case 1: timeouts.connect = try field.signed()
            case 2: timeouts.firstByte = try field.signed()
            case 3: timeouts.firstToken = try field.signed()
            case 4: timeouts.betweenChunks = try field.signed()
            case 5: timeouts.total = try field.signed()
            default: continue
            }
        }
        return timeouts
    }
}

extension Field {
    /// One of the words of an enumeration.
    func word<Word: RawRepresentable<String>>() throws(CodecError) -> Word {
        guard let word = Word(rawValue: try text(upTo: 40)) else {
            throw .malformed("field \(tag) is a word this program does not know")
        }
        return word
    }
}
