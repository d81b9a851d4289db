import EventLoops
package import Transport

/// Hands messages to one mail server, a connection each. Loop thread.
package final class SMTPClient {
    /// For connecting, and for each answer but the one after the message. RFC 5321 §4.5.3.2 allows minutes; a
    /// message that waits is tried again anyway.
    package static let commandNanoseconds: Int64 = 60_000_000_000
    package static let contentNanoseconds: Int64 = 300_000_000_000

    package struct Server: Sendable {
        package let host: String
        package let port: UInt16
        package let security: SMTPSecurity
        package let credentials: SMTPCredentials?
        /// What EHLO says.
        package let clientName: String

        package init(
            host: String, port: UInt16, security: SMTPSecurity, credentials: SMTPCredentials? = nil,
            clientName: String = "[127.0.0.1]"
        ) {
            self.host = host
            self.port = port
            self.security = security
            self.credentials = credentials
            self.clientName = clientName
        }
    }

    private let dialer: Dialer
    private let tls: TLSContext
    private let server: Server
    private let commandNanoseconds: Int64

    /// `tls` verifies the server; its name is the server's host.
    package init(
        dialer: Dialer, tls: TLSContext, server: Server,
        commandNanoseconds: Int64 = SMTPClient.commandNanoseconds
    ) {
        self.dialer = dialer
        self.tls = tls
        self.server = server
        self.commandNanoseconds = commandNanoseconds
    }

    /// Delivers one message. Refusals of single recipients are in the result; a failure means nobody got it
    /// (or, when the connection broke after the message, that nobody knows).
    package func deliver(_ envelope: SMTPEnvelope) async throws(SMTPFailure) -> SMTPDelivery {
        var machine = SMTPMachine(
            envelope, security: server.security, credentials: server.credentials,
            clientName: server.clientName)
        let connection: Connection
        do throws(TransportError) {
            connection = try await dialer.connect(
                host: server.host, port: server.port, tls: server.security == .tls ? tls : nil,
                timeoutNanoseconds: commandNanoseconds)
        } catch {
            throw .connection("\(error)")
        }
        defer { connection.close() }
        var action = SMTPMachine.Action.receive
        while true {
            switch action {
            case .finish(let delivery): return delivery
            case .fail(let failure): throw failure
            default:
                do throws(TransportError) {
                    action = try await run(action, on: connection, &machine)
                } catch {
                    action = machine.lost("\(error)")
                }
            }
        }
    }

    private func run(
        _ action: SMTPMachine.Action, on connection: Connection, _ machine: inout SMTPMachine
    ) async throws(TransportError) -> SMTPMachine.Action {
        var limit = commandNanoseconds
        switch action {
        case .secure:
            connection.setDeadline(afterNanoseconds: limit)
            try await connection.startTLS(tls, serverName: server.host)
            return machine.secured()
        case .send(let bytes):
            // Only the message is longer than a command can be.
            if bytes.count > 4_096 { limit = max(limit, Self.contentNanoseconds) }
            connection.setDeadline(afterNanoseconds: limit)
            try await send(bytes, on: connection)
        default: connection.setDeadline(afterNanoseconds: limit)
        }
        guard try await connection.fill() else { throw .endOfStream }
        let next = machine.receive(connection.buffered)
        connection.consume(connection.buffered.count)
        return next
    }

    private func send(_ bytes: [UInt8], on connection: Connection) async throws(TransportError) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        try await connection.send(UnsafeRawBufferPointer(copy))
    }
}
