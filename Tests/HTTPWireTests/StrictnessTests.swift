import TestSupport
import Testing

@testable import HTTPWire

/// The tables of `Tests/Strictness` against the machines alone: no cut of the bytes changes an outcome.
@Suite("strictness")
struct StrictnessTests {
    @Test("the tables are as large as they have to be, and no name stands twice in a section")
    func size() {
        #expect(WireTable.requests.count >= 500)
        #expect(WireTable.answers.count >= 240)
        for table in [WireTable.requests, WireTable.answers] {
            #expect(Set(table.map(\.description)).count == table.count)
        }
    }

    @Test("every request becomes what the table says", arguments: WireTable.requests)
    func request(_ example: WireCase) {
        #expect(RequestReader.outcomes(of: example.bytes, cuts: []) == example.outcomes)
    }

    @Test("no way to cut a request changes what becomes of it", arguments: WireTable.requests)
    func cutRequest(_ example: WireCase) {
        for cuts in Self.cuts(of: example.bytes.count) {
            let outcomes = RequestReader.outcomes(of: example.bytes, cuts: cuts)
            #expect(outcomes == example.outcomes, "cut at \(cuts.prefix(3))")
        }
    }

    @Test("every answer becomes what the table says", arguments: WireTable.answers)
    func answer(_ example: WireCase) {
        #expect([AnswerReader.outcome(of: example, cuts: [])] == Self.written(example))
    }

    @Test("no way to cut an answer changes what becomes of it", arguments: WireTable.answers)
    func cutAnswer(_ example: WireCase) {
        for cuts in Self.cuts(of: example.bytes.count) {
            let outcome = AnswerReader.outcome(of: example, cuts: cuts)
            #expect([outcome] == Self.written(example), "cut at \(cuts.prefix(3))")
        }
    }

    /// With the content, where the table leaves it out.
    static func written(_ example: WireCase) -> [String] {
        example.outcomes.map { outcome in
            outcome.hasSuffix("kept") || outcome.hasSuffix("closed")
                ? outcome + " \"\(WireTable.body)\"" : outcome
        }
    }

    /// Every cut in two (of large bytes: near the ends and the limits, and a sample), and every byte alone.
    static func cuts(of count: Int) -> [[Int]] {
        guard count > 1 else { return [] }
        var places = Set(1..<min(count, 40))
        if count < 1000 {
            places.formUnion(1..<count)
        } else {
            places.formUnion((count - 20)..<count)
            places.formUnion(stride(from: 40, to: count, by: 1 + count / 20))
            places.formUnion([4096, 8191, 8192, 8193, 8194, 16384, 65535, 65536].filter { $0 < count })
        }
        return places.sorted().map { [$0] } + (count < 2000 ? [Array(1..<count)] : [])
    }
}

/// Reads requests from a connection's bytes as a server does, and says what became of each.
final class RequestReader {
    private static let largestContent = 16 << 20
    private var head = RequestHead()
    private var body: BodyDecoder?
    private var line = ""
    private var content: [UInt8] = []
    private var pending: [UInt8] = []
    private var outcomes: [String] = []
    private var isOver = false

    static func outcomes(of bytes: [UInt8], cuts: [Int]) -> [String] {
        let reader = RequestReader()
        var start = 0
        for end in cuts + [bytes.count] {
            reader.pending += bytes[start..<end]
            start = end
            while !reader.isOver, reader.step() {}
        }
        if !reader.isOver {
            if reader.body != nil {
                reader.outcomes.append("400 bodyCut")
            } else if !reader.pending.isEmpty {
                reader.outcomes.append("waits")
            }
        }
        return reader.outcomes
    }

    /// Goes one step on; false when more bytes are needed for that.
    private func step() -> Bool { body == nil ? readHead() : readContent() }

    private func readHead() -> Bool {
        let verdict = withExactCopy(pending) { view in
            let verdict = head.parse(view)
            if case .complete = verdict, let base = view.baseAddress {
                let query = text(head.query(in: base)).map { "?" + $0 } ?? ""
                line = "\(head.method) \(text(head.path(in: base)) ?? "")\(query)"
            }
            return verdict
        }
        switch verdict {
        case .incomplete: return false
        case .refused(let fault):
            end("\(fault.status) \(fault)")
        case .complete(let length):
            pending.removeFirst(length)
            if case .length(let length) = head.framing, length > Self.largestContent { end("413") }
            body = BodyDecoder(head.framing, limits: .request)
        }
        return true
    }

    private func readContent() -> Bool {
        guard var decoder = body else { return false }
        let result = decode(pending, with: &decoder, into: &content)
        body = decoder
        switch result {
        case .failure(let fault):
            end("400 \(RequestFault.chunk(fault))")
            return true
        case .success(let count): pending.removeFirst(count)
        }
        guard decoder.isComplete else { return false }
        outcomes.append(content.isEmpty ? line : line + " \"\(String(decoding: content, as: UTF8.self))\"")
        if !head.keepAlive { end("close") }
        content = []
        body = nil
        head.reset()
        return true
    }

    private func end(_ outcome: String) {
        outcomes.append(outcome)
        isOver = true
    }
}

/// Decodes content from the front of the bytes as far as it goes; how many were taken.
private func decode(
    _ bytes: [UInt8], with decoder: inout BodyDecoder, into content: inout [UInt8]
) -> Result<Int, ChunkFault> {
    withExactCopy(bytes) { view in
        var place = 0
        while place < view.count, !decoder.isComplete {
            do throws(ChunkFault) {
                let rest = UnsafeRawBufferPointer(rebasing: view[place...])
                let step = try decoder.decode(rest)
                content += rest[step.framing..<(step.framing + step.content)]
                place += step.framing + step.content
            } catch { return .failure(error) }
        }
        return .success(place)
    }
}

/// Reads one answer from a connection's bytes as a client does, and says what became of it.
final class AnswerReader {
    private static let interimAnswers = 8
    private var head = ResponseHead()
    private var pending: [UInt8] = []
    private var interim = 0
    private var body: BodyDecoder?
    private var framing = BodyFraming.length(0)
    private var content: [UInt8] = []
    private var outcome: String?
    private let method: HTTPMethod

    private init(_ method: HTTPMethod) { self.method = method }

    static func outcome(of example: WireCase, cuts: [Int]) -> String {
        let reader = AnswerReader(HTTPMethod(example.method) ?? .post)
        var start = 0
        for end in cuts + [example.bytes.count] {
            reader.pending += example.bytes[start..<end]
            start = end
            while reader.outcome == nil, reader.step() {}
        }
        return reader.outcome ?? reader.atTheEnd(isEnded: example.isEnded)
    }

    private func atTheEnd(isEnded: Bool) -> String {
        guard var body else {
            if !isEnded { return "waits" }
            return pending.isEmpty && interim == 0 ? "empty" : "cut"
        }
        if isEnded, body.endOfStream() { return taken(isKept: false) }
        if body.isComplete {
            return taken(isKept: !isEnded && pending.isEmpty && head.keepAlive && framing != .untilClose)
        }
        return isEnded ? "cut" : "waits"
    }

    private func taken(isKept: Bool) -> String {
        "\(head.status) \(isKept ? "kept" : "closed") \"\(String(decoding: content, as: UTF8.self))\""
    }

    private func step() -> Bool {
        if body != nil { return readContent() }
        switch withExactCopy(pending, { head.parse($0) }) {
        case .incomplete: return false
        case .refused(let fault): outcome = "head \(fault)"
        case .complete(let length):
            pending.removeFirst(length)
            if head.isInterim {
                interim += 1
                if interim > Self.interimAnswers { outcome = "head tooManyInterimResponses" }
                head.reset()
            } else {
                framing = head.framing(answering: method)
                body = BodyDecoder(framing, limits: .response)
            }
        }
        return true
    }

    private func readContent() -> Bool {
        guard var decoder = body, !decoder.isComplete else { return false }
        let result = decode(pending, with: &decoder, into: &content)
        body = decoder
        switch result {
        case .failure(let fault): outcome = "content \(fault)"
        case .success(0): return false
        case .success(let count): pending.removeFirst(count)
        }
        return true
    }
}
