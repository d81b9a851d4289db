import HTTPWire
import Testing

@Suite("numbers in growable bytes")
struct GrowableBytesNumbersTests {
    @Test("decimals are written as Swift writes them", arguments: [0, 7, 10, -1, 987_654_321, .max, .min])
    func decimals(_ value: Int) {
        var bytes = GrowableBytes()
        bytes.append(decimal: value)
        let text = String(decoding: bytes.view, as: UTF8.self)
        #expect(text == "\(value)")
    }

    @Test("hexadecimals have sixteen digits")
    func hexadecimals() {
        var bytes = GrowableBytes()
        bytes.append(hexadecimal: 0x0123_4567_89ab_cdef)
        bytes.append(Array(" ".utf8))
        bytes.append(hexadecimal: 0)
        let text = String(decoding: bytes.view, as: UTF8.self)
        #expect(text == "0123456789abcdef 0000000000000000")
    }
}
