/// Carries a provider's stream to a client that speaks another dialect, or the same one: then the events go
/// as they came. Pure: bytes in, bytes out; the relay owns the connections.
///
/// What tells the client that the answer is whole waits for `finish`, so that no answer looks finished
/// before its bill is safe.
package struct StreamTranslation {
    package enum Ending: Equatable, Sendable {
        case open
        /// The provider said its last word; what it means for the client comes from `finish`.
        case done
        case failed(ProviderComplaint)
        /// An event longer than `maximumEventBytes`.
        case tooLarge
    }

    package static let maximumEventBytes = 32 << 20

    package private(set) var ending = Ending.open
    package private(set) var usage: ReportedUsage?
    /// Calls and texts so far, for estimates.
    private var contentEvents = 0
    private var contentBytes = 0
    /// Something of the answer itself came, or the reason why there is nothing.
    package private(set) var hasToken = false

    private var reader: EventReader
    private var writer: EventWriter
    private let isNative: Bool
    private let framing: StreamFraming
    private var lines = EventLines()
    /// What is not yet a whole event.
    private var window: [UInt8] = []
    /// Native bytes that wait for the bill.
    private var held: [UInt8] = []
    private var hasReason = false
    private let filter: (any EventFilter)?

    /// - Parameters:
    ///   - filter: sees every event before it is written.
    ///   - isRewritten: events are written anew also where they could go as they came, since the filter may
    ///     change them.
    package init(
        from format: ProviderFormat, to form: CallForm, _ context: AnswerContext,
        filter: (any EventFilter)? = nil, isRewritten: Bool = false
    ) {
        reader = format.eventReader
        writer = form.eventWriter(context)
        isNative = format.isNative(to: form) && !isRewritten
        self.filter = filter
        framing = format.framing
    }

    /// Takes the next bytes of the stream and appends what the client gets for them.
    package mutating func take(_ bytes: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        guard ending == .open else { return }
        window.append(contentsOf: bytes)
        switch framing {
        case .events: takeEvents(&output)
        case .lines: takeLines(&output)
        case .messages: takeMessages(&output)
        }
        if ending == .open, window.count > Self.maximumEventBytes { ending = .tooLarge }
    }

    /// The stream's clean end. A stream without its terminator stays open: it was cut.
    package mutating func takeEnd(to output: inout [UInt8]) {
        // The last event may lack its blank line.
        if ending == .open, !window.isEmpty, framing != .messages {
            let blank: [UInt8] = framing == .lines ? [10] : [10, 10]
            blank.withUnsafeBytes { take($0, to: &output) }
        }
        let isTorn = framing == .messages && !window.isEmpty
        if ending == .open, !isTorn, reader.isWholeWithoutTerminator { ending = .done }
    }

    /// Appends what tells the client that the answer is whole. Once, after `.done`.
    package mutating func finish(
        nanoseconds: Int64, bill: StreamBill? = nil, to output: inout [UInt8]
    ) {
        if isNative {
            output += held
            held = []
            return
        }
        writer.note(nanoseconds: nanoseconds)
        if let bill { writer.note(bill) }
        writer.write(.end, to: &output)
    }

    /// Appends what tells the client that the answer broke.
    package mutating func fail(_ complaint: ProviderComplaint, to output: inout [UInt8]) {
        writer.write(.failure(complaint), to: &output)
    }

    /// Output so far, for calls that end without a usage report: a token an event or four bytes, whichever
    /// is more.
    package var estimatedOutputTokens: Int64 { Int64(max(contentEvents, contentBytes / 4)) }

    // MARK: Events

    private mutating func takeEvents(_ output: inout [UInt8]) {
        // Taken out, so that the bytes can be looked at while this changes.
        var window = self.window
        self.window = []
        window.withUnsafeBytes { bytes in
            while ending == .open, let event = lines.next(in: bytes) {
                let raw = UnsafeRawBufferPointer(rebasing: bytes[event.bytes])
                if event.isSplit {
                    Self.joinedData(of: raw).withUnsafeBytes { take($0, of: raw, &output) }
                } else {
                    take(UnsafeRawBufferPointer(rebasing: bytes[event.data]), of: raw, &output)
                }
            }
        }
        let unfinished = min(lines.unfinished, window.count)
        window.removeFirst(unfinished)
        lines.removeFirst(unfinished)
        self.window = window
    }

    private mutating func takeLines(_ output: inout [UInt8]) {
        var window = self.window
        self.window = []
        var start = 0
        window.withUnsafeBytes { bytes in
            while ending == .open, let end = bytes[start...].firstIndex(of: 10) {
                let raw = UnsafeRawBufferPointer(rebasing: bytes[start...end])
                start = end + 1
                var line = UnsafeRawBufferPointer(rebasing: raw.dropLast())
                if line.last == 13 { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
                if !line.isEmpty { take(line, of: raw, &output) }
            }
        }
        window.removeFirst(start)
        self.window = window
    }

    private mutating func take(
        _ data: UnsafeRawBufferPointer, of raw: UnsafeRawBufferPointer, _ output: inout [UInt8]
    ) {
        if data.isEmpty {
            // A comment or a name without data: harmless to clients of the same dialect, nothing to others.
            if isNative { output.append(contentsOf: raw) }
            return
        }
        pass(reader.read(data), &output)
        if case .failed = ending { return }
        guard isNative else { return }
        if ending == .done || (hasReason && reader.lacksTerminator) {
            output += held
            held = Array(raw)
        } else {
            output.append(contentsOf: raw)
        }
    }

    private mutating func takeMessages(_ output: inout [UInt8]) {
        var window = self.window
        self.window = []
        var start = 0
        window.withUnsafeBytes { bytes in
            do throws(AmazonMessage.Fault) {
                while ending == .open {
                    let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
                    guard let message = try AmazonMessage.first(in: rest) else { break }
                    let payload = UnsafeRawBufferPointer(rebasing: rest[message.payload])
                    start += message.byteCount
                    switch message.kind {
                    case .event(let name): pass(reader.read(payload, named: name), &output)
                    case .failure(let name): ending = .failed(ProviderComplaint(bedrock: name, payload))
                    }
                }
            } catch {
                ending = .failed(ProviderComplaint(message: "The provider sent a damaged event."))
            }
        }
        window.removeFirst(start)
        self.window = window
    }

    /// Counts what was read, and writes it for clients of another dialect.
    private mutating func pass(_ events: [CanonicalEvent], _ output: inout [UInt8]) {
        for event in events {
            note(event)
            for event in filter?.take(event) ?? [event] { pass(event, &output) }
            if ending != .open && ending != .done { return }
        }
    }

    /// Goes on with events that a filter held back and gives now.
    package mutating func goOn(with events: [CanonicalEvent], to output: inout [UInt8]) {
        for event in events where ending == .open || ending == .done { pass(event, &output) }
    }

    private mutating func pass(_ event: CanonicalEvent, _ output: inout [UInt8]) {
        switch event {
        case .failure(let complaint): ending = .failed(complaint)
        case .end: ending = .done
        case .finish:
            hasReason = true
            if !isNative { writer.write(event, to: &output) }
        default: if !isNative { writer.write(event, to: &output) }
        }
    }

    private mutating func note(_ event: CanonicalEvent) {
        switch event {
        case .usage(let report): usage = report
        case .text(let text), .reasoning(let text), .toolArguments(_, let text):
            contentEvents += 1
            contentBytes += text.utf8.count
            hasToken = true
        case .toolCall, .finish: hasToken = true
        default: break
        }
    }

    private static func joinedData(of event: UnsafeRawBufferPointer) -> [UInt8] {
        var data: [UInt8] = []
        for line in event.split(whereSeparator: { $0 == 10 || $0 == 13 })
        where line.starts(with: "data:".utf8) {
            var value = line.dropFirst(5)
            if value.first == 32 { value = value.dropFirst() }
            if !data.isEmpty { data.append(10) }
            data += value
        }
        return data
    }
}
