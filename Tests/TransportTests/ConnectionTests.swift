import EventLoops
import TestSupport
import Testing
import Transport

@Suite("Connection")
struct ConnectionTests {
    @Test("bytes go both ways and the end of the stream is seen after them")
    func roundTrip() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            try await pair.client.send("question")
            #expect(try await pair.server.receiveText(8) == "question")
            try await pair.server.send("answer")
            pair.server.shutdownWrite()
            #expect(try await pair.client.receiveText(6) == "answer")
            #expect(try await pair.client.fill() == false)
        }
    }
}
