import Contract
import Testing

@Suite("contract")
struct ContractTests {
    @Test("versions read back")
    func versions() { #expect(SnapshotVersion("1.42") == SnapshotVersion(epoch: 1, counter: 42)) }
}
