import CFuzzDriver
import HTTPWire

/// Throws bytes at every machine of HTTPWire and checks what must hold for all bytes: no trap, no read
/// beyond the input, and the same verdict however the bytes are cut.
///
/// The first byte of an input chooses the machine, the second where the rest is cut in two.
@_cdecl("FuzzHTTP_main")
func fuzzMain(_ argc: Int32, _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> Int32 {
    var argc = argc
    var argv = argv
    return LLVMFuzzerRunDriver(&argc, &argv) { data, size in
        guard let data, size >= 2 else { return 0 }
        let bytes = UnsafeRawBufferPointer(start: data + 2, count: size - 2)
        let cut = bytes.isEmpty ? 0 : Int(data[1]) * bytes.count / 256
        let prefix = UnsafeRawBufferPointer(rebasing: bytes[..<cut])
        switch data[0] % 5 {
        case 0: fuzzRequest(bytes, prefix)
        case 1: fuzzResponse(bytes, prefix)
        case 2: fuzzChunks(bytes, cut)
        case 3: fuzzEvents(bytes, cut)
        default: fuzzAddresses(bytes)
        }
        return 0
    }
}

private func require(_ holds: Bool, _ what: StaticString) {
    if !holds { fatalError(what.description) }
}

private func fuzzRequest(_ bytes: UnsafeRawBufferPointer, _ prefix: UnsafeRawBufferPointer) {
    var whole = RequestHead(), pieces = RequestHead()
    let verdict = whole.parse(bytes)
    var other = pieces.parse(prefix)
    if other == .incomplete { other = pieces.parse(bytes) }
    require(verdict == other, "a cut changes the verdict on a request")
    guard case .complete(let length) = verdict, let base = bytes.baseAddress else { return }
    require(length > 0 && length <= bytes.count, "a request is as long as its bytes at most")
    require(
        whole.path(in: base).first == 0x2f || whole.path(in: base).elementsEqual([0x2a]), "paths are rooted")
    require(!whole.path(in: base).contains(0), "no path holds a zero")
    require(whole.framing != .untilClose, "a request is framed")
    if let query = whole.query(in: base) { _ = QueryItems.parse(query) }
    var writer = HeadWriter()
    writer.beginRequest(whole.method, target: whole.rawTarget(in: base))
    checkFields(whole.fields, base, &writer)
    guard let head = writer.finish() else { return require(false, "what was read can be written") }
    // What is written is HTTP/1.1, where other things are due.
    guard whole.minorVersion == 1 else { return }
    var again = RequestHead()
    require(again.parse(head) == .complete(head.count), "what was written can be read")
    require(again.framing == whole.framing, "and means the same")
}

private func fuzzResponse(_ bytes: UnsafeRawBufferPointer, _ prefix: UnsafeRawBufferPointer) {
    var whole = ResponseHead(), pieces = ResponseHead()
    let verdict = whole.parse(bytes)
    var other = pieces.parse(prefix)
    if other == .incomplete { other = pieces.parse(bytes) }
    require(verdict == other, "a cut changes the verdict on a response")
    guard case .complete(let length) = verdict, let base = bytes.baseAddress else { return }
    require(length > 0 && length <= bytes.count, "a response is as long as its bytes at most")
    _ = whole.reason(in: base).reduce(0) { $0 &+ Int($1) }
    var writer = HeadWriter()
    writer.beginResponse(status: whole.status)
    checkFields(whole.fields, base, &writer)
    guard let head = writer.finish() else { return require(false, "what was read can be written") }
    var again = ResponseHead()
    require(again.parse(head) == .complete(head.count), "what was written can be read")
    require(again.framing(answering: .get) == whole.framing(answering: .get), "and means the same")
}

private func checkFields(
    _ fields: borrowing FieldTable, _ base: UnsafeRawPointer, _ writer: inout HeadWriter
) {
    for index in 0..<fields.count {
        let slot = fields[index]
        for byte in slot.value(in: base) {
            require(byte != 13 && byte != 10 && byte != 0, "no value holds a line end or a zero")
        }
        require(!slot.name(in: base).isEmpty, "every field has a name")
        writer.copy(slot, in: base)
    }
    _ = HeaderFields(fields, in: base)
}

private func fuzzChunks(_ bytes: UnsafeRawBufferPointer, _ cut: Int) {
    let whole = decodeChunks(bytes, cut: bytes.count)
    require(whole == decodeChunks(bytes, cut: cut), "a cut changes what chunks decode to")
    var scanner = ChunkDecoder()
    do throws(ChunkFault) {
        let count = try scanner.scan(bytes)
        require(whole.fault == nil && count == whole.taken, "scanning takes what decoding takes")
        require(scanner.isComplete == whole.isComplete, "scanning ends where decoding ends")
    } catch { require(whole.fault == error, "scanning refuses what decoding refuses") }
}

private struct ChunkResult: Equatable {
    var content: [UInt8] = []
    var taken = 0
    var isComplete = false
    var fault: ChunkFault?
}

private func decodeChunks(_ bytes: UnsafeRawBufferPointer, cut: Int) -> ChunkResult {
    var decoder = ChunkDecoder()
    var result = ChunkResult()
    for end in [cut, bytes.count] {
        while result.taken < end && !decoder.isComplete {
            do throws(ChunkFault) {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[result.taken..<end])
                let step = try decoder.decode(rest)
                require(step.framing + step.content > 0, "every step takes something")
                result.content += rest[step.framing..<(step.framing + step.content)]
                result.taken += step.framing + step.content
            } catch {
                // How much was taken before a fault depends on the cut; that it is refused does not.
                result.fault = error
                result.taken = 0
                return result
            }
        }
    }
    result.isComplete = decoder.isComplete
    return result
}

private func fuzzEvents(_ bytes: UnsafeRawBufferPointer, _ cut: Int) {
    let whole = parseEvents(bytes, cut: bytes.count)
    require(whole == parseEvents(bytes, cut: cut), "a cut changes the events of a stream")
    var writer = EventStreamWriter()
    writer.event(name: UnsafeRawBufferPointer(rebasing: bytes[..<cut]), data: bytes)
    let written = parseEvents(writer.bytes, cut: writer.bytes.count)
    require(written.count <= 2, "one event is written at a time")
}

private func parseEvents(_ bytes: UnsafeRawBufferPointer, cut: Int) -> [[UInt8]] {
    var parser = EventStreamParser(maximumEventBytes: 64)
    var events: [[UInt8]] = []
    for var input in [
        UnsafeRawBufferPointer(rebasing: bytes[..<cut]), UnsafeRawBufferPointer(rebasing: bytes[cut...]),
    ] {
        do throws(EventStreamFault) {
            while let event = try parser.next(&input) { events.append(event.name + [0] + event.data) }
            require(input.isEmpty, "all input is used")
        } catch { return events + [[1]] }
    }
    return events + (parser.isBetweenEvents ? [] : [[2]])
}

private func fuzzAddresses(_ bytes: UnsafeRawBufferPointer) {
    let text = String(decoding: bytes, as: UTF8.self)
    if let address = WebAddress(text) {
        require(WebAddress(address.description) == address, "an address reads as it is written")
    }
    _ = Authority(bytes)
    _ = QueryItems.parse(bytes)
    let escaped = QueryItems.escape(text)
    var item = "a=\(escaped)"
    item.withUTF8 { require(QueryItems.parse(.init($0)).first?.value == text, "escaping is undone") }
    if let (matcher, pattern) = fuzzPattern(text) {
        _ = matcher.match(.get, pattern)
        _ = matcher.match(.post, text)
    }
    var list = ListElements(bytes)
    while let element = list.next() { require(!element.isEmpty, "list elements are not empty") }
}

private func fuzzPattern(_ text: String) -> (RouteMatcher<Int>, String)? {
    guard let matcher = try? RouteMatcher([(pattern: "GET \(text)", endpoint: 1)]) else { return nil }
    return (matcher, text)
}
