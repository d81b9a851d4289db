import Domain
import Testing

@Suite("domain")
struct DomainTests {
    @Test("ids read back")
    func ids() {
        let id = KeyID(at: .epoch)
        #expect(KeyID(id.description) == id)
    }
}
