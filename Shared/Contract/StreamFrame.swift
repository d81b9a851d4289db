/// What the control plane pushes to a node: the newest manifest, and the key sets a node may not have yet.
package struct StreamFrame: Hashable, Sendable, BinaryRecord {
    package let manifest: SignedEnvelope
    /// Key sets from version 1 on; only in the first frame of a stream and after a change.
    package let keySets: [SignedEnvelope]

    /// The largest frame, without its length: a manifest and a full chain of key sets.
    package static let maximumBytes = 4 << 20

    package init(manifest: SignedEnvelope, keySets: [SignedEnvelope] = []) {
        self.manifest = manifest
        self.keySets = keySets
    }

    /// The frame as it is sent: four bytes of length, big-endian, then the record.
    package var framed: [UInt8] {
        let content = encoded
        return withUnsafeBytes(of: UInt32(content.count).bigEndian) { Array($0) } + content
    }

    package func encode(into writer: inout FieldWriter) {
        writer.value(1, manifest)
        writer.values(2, keySets)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var manifest: SignedEnvelope?
        var keySets: [SignedEnvelope] = []
        while let field = try reader.next() {
            switch field.tag {
            case 1: manifest = try SignedEnvelope(field)
            case 2: try keySets.append(SignedEnvelope(field), upTo: TrustedKeys.maximumChain, "key sets")
            default: continue
            }
        }
        self.manifest = try Self.required(manifest, 1)
        self.keySets = keySets
    }
}

/// Cuts a byte stream into frames, however the bytes arrive. Buffers at most one frame.
package struct FrameReader: Sendable {
    private var buffer: [UInt8] = []

    package init() {}

    /// Takes bytes as they come.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) { buffer.append(contentsOf: bytes) }

    /// The next whole frame, or nil when more bytes are needed. After an error the stream is lost.
    package mutating func next() throws(CodecError) -> StreamFrame? {
        guard buffer.count >= 4 else { return nil }
        let length = buffer.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        guard length <= StreamFrame.maximumBytes else { throw .tooLarge("a frame above 4 MiB") }
        guard buffer.count >= 4 + length else { return nil }
        let content = Array(buffer[4..<4 + length])
        buffer.removeFirst(4 + length)
        return try StreamFrame(encoded: content)
    }
}
