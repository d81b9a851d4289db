// libsodium declares its pointers non-null; a Swift buffer of no bytes may have no address. A pointer that is
// never followed (the count beside it is zero) stands in for it.
extension UnsafeRawBufferPointer {
    var bytePointer: UnsafePointer<UInt8> {
        let stranger = UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped
        return (baseAddress ?? stranger).assumingMemoryBound(to: UInt8.self)
    }
}

extension UnsafeMutableRawBufferPointer {
    var bytePointer: UnsafeMutablePointer<UInt8> {
        let stranger = UnsafeMutableRawPointer(bitPattern: 1).unsafelyUnwrapped
        return (baseAddress ?? stranger).assumingMemoryBound(to: UInt8.self)
    }
}
