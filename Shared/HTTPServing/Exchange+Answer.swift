package import HTTPWire
package import Transport

extension Exchange {
    /// Whether the connection can serve another request after this answer; raw answers say `connection:
    /// close` when not. May turn false until the answer begins, not after.
    package var canKeepAlive: Bool { head.keepAlive && isContentSettled && !server.isDraining }

    /// The server drains.
    package var isServerEnding: Bool { server.isDraining }

    /// Nothing has been answered yet.
    package var isUnanswered: Bool { answer == .none }

    // MARK: In one piece

    /// Sends a complete answer. `Content-Length`, `Date`, `x-request-id` and `Connection` are added; HEAD,
    /// 204 and 304 are sent without content. A field with a forbidden byte turns the answer into an empty
    /// 500.
    package func respond(
        status: Int, fields: HeaderFields = [:], body content: UnsafeRawBufferPointer
    ) async throws(TransportError) {
        guard answer == .none else { return }
        beginHead(status: status, fields: fields)
        let hasLength = status != 204 && status != 304
        if hasLength { writer.field("content-length", number: content.count) }
        let isBodyless = !hasLength || head.method == .head
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        if let head = writer.finish() {
            answer = .done
            try await send(head, isBodyless ? nothing : content)
        } else {
            try await respondSpoiled()
        }
    }

    package func respond(
        status: Int, fields: HeaderFields = [:], body content: [UInt8] = []
    ) async throws(TransportError) {
        // An array's storage does not move while it is referenced and not changed, but only a closure may
        // look at it and none may wait: copy it to where it may wait.
        gathered.removeAll()
        content.withUnsafeBytes { gathered.append($0) }
        try await respond(status: status, fields: fields, body: gathered.view)
    }

    package func respond(
        status: Int, fields: HeaderFields = [:], text: String
    ) async throws(TransportError) {
        var text = text
        gathered.removeAll()
        text.withUTF8 { gathered.append(UnsafeRawBufferPointer($0)) }
        try await respond(status: status, fields: fields, body: gathered.view)
    }

    // MARK: In parts

    /// Sends the head of an answer whose length is not known; HTTP/1.0 clients get it without chunks.
    package func startStreaming(status: Int, fields: HeaderFields = [:]) async throws(TransportError) {
        guard answer == .none else { return }
        isChunked = head.minorVersion == 1
        if !isChunked { leavesOpen = false }
        beginHead(status: status, fields: fields)
        if isChunked { writer.field("transfer-encoding", "chunked") }
        guard let head = writer.finish() else { return try await respondSpoiled() }
        answer = .streaming
        try await send(head)
    }

    /// Sends one part, waiting while the client does not read. Nothing happens for an empty one.
    package func write(_ content: UnsafeRawBufferPointer) async throws(TransportError) {
        guard answer == .streaming, head.method != .head, !content.isEmpty else { return }
        guard isChunked else { return try await send(content) }
        if content.count <= 16 * 1024 { return try await send(chunks.encode(content)) }
        var rest = content
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(64 * 1024))
            try await send(chunks.encode(piece))
            rest = UnsafeRawBufferPointer(rebasing: rest[piece.count...])
        }
    }

    /// Completes an answer begun with ``startStreaming(status:fields:)``. Without it the client sees a cut.
    package func finish() async throws(TransportError) {
        guard answer == .streaming else { return }
        answer = .done
        guard isChunked, head.method != .head else { return }
        let last = ChunkEncoder.terminator
        try await send(UnsafeRawBufferPointer(start: last.utf8Start, count: last.utf8CodeUnitCount))
    }

    // MARK: Raw

    /// Sends bytes of an answer that the caller frames itself; any number of times. Ends with
    /// ``markResponded(keepAlive:)``, else the connection is cut.
    package func sendRaw(
        _ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer = .init(start: nil, count: 0)
    ) async throws(TransportError) {
        answer = .streaming
        try await send(head, body)
    }

    /// Sends what the client takes of the bytes without waiting; how many that was. The rest is for
    /// ``sendRaw(_:_:)``.
    package func sendRawAtOnce(_ bytes: UnsafeRawBufferPointer) throws(TransportError) -> Int {
        answer = .streaming
        do {
            return try connection.sendAtOnce(bytes)
        } catch {
            noteEnd(error)
            leavesOpen = false
            throw error
        }
    }

    /// The raw answer is complete, its end told by its own framing. `keepAlive` is what its head says.
    package func markResponded(keepAlive: Bool) {
        answer = .done
        if !keepAlive { leavesOpen = false }
    }

    // MARK: Parts of it

    private func beginHead(status: Int, fields: HeaderFields) {
        if !canKeepAlive { leavesOpen = false }
        writer.beginResponse(status: status)
        for field in fields.all where !Self.isOurs(field.name) { writer.field(name: field.name, field.value) }
        if !everyAnswer.isEmpty { writer.fields(everyAnswer) }
        writer.field("date", server.dateBytes())
        writer.field("x-request-id", requestIDBytes)
        if !leavesOpen {
            writer.field("connection", "close")
        } else if head.minorVersion == 0 {
            writer.field("connection", "keep-alive")
        }
    }

    /// Fields that follow from how the answer is sent.
    private static func isOurs(_ name: String) -> Bool {
        switch KnownField(name: name) {
        case .contentLength, .transferEncoding, .connection, .date, .xRequestID: true
        default: false
        }
    }

    private func respondSpoiled() async throws(TransportError) {
        server.statistics.spoiledHeads += 1
        isChunked = false
        leavesOpen = false
        beginHead(status: 500, fields: [:])
        writer.field("content-length", number: 0)
        answer = .done
        guard let head = writer.finish() else { return }
        try await send(head)
    }

    /// Sends everything; a client that leaves 64 KiB unread for too long is cut.
    func send(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer = .init(start: nil, count: 0)
    ) async throws(TransportError) {
        let piece = 64 * 1024
        var first = first
        var second = second
        do {
            if first.count &+ second.count <= piece {
                let sent = try connection.sendAtOnce(first, second)
                if sent == first.count &+ second.count { return }
                let ofFirst = min(sent, first.count)
                first = UnsafeRawBufferPointer(rebasing: first[ofFirst...])
                second = UnsafeRawBufferPointer(rebasing: second[(sent &- ofFirst)...])
            }
            connection.setDeadline(afterNanoseconds: limits.stalledReaderNanoseconds)
            if first.count &+ second.count <= piece {
                try await connection.send(first, second)
            } else {
                try await sendSlowly(first, piece)
                try await sendSlowly(second, piece)
            }
            connection.setDeadline(afterNanoseconds: 0)
        } catch {
            noteEnd(error)
            leavesOpen = false
            throw error
        }
    }

    private func sendSlowly(_ bytes: UnsafeRawBufferPointer, _ piece: Int) async throws(TransportError) {
        var rest = bytes
        while !rest.isEmpty {
            let next = UnsafeRawBufferPointer(rebasing: rest.prefix(piece))
            connection.setDeadline(afterNanoseconds: limits.stalledReaderNanoseconds)
            try await connection.send(next)
            rest = UnsafeRawBufferPointer(rebasing: rest[next.count...])
        }
    }
}
