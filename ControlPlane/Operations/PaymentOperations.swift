import Cryptography
package import Domain
import JSONText
import PostgresDriver
package import Store

/// What a payment provider, or somebody in its place, says was paid.
package struct NewPayment: Sendable {
    package let provider: String
    /// The provider's own ID of it.
    package let event: String
    package let amount: NanoUSD

    package init(provider: String, event: String, amount: NanoUSD) {
        self.provider = provider
        self.event = event
        self.amount = amount
    }
}

/// Money that came in: each event of a payment provider counts once.
package struct PaymentOperations {
    /// How old a signed message may be, or how far ahead its clock. Unit: seconds.
    package static let toleranceSeconds: Int64 = 300

    let environment: OperationEnvironment

    package func list(
        in tenant: TenantID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Payment> {
        try await environment.read(.ledgerRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(try await PaymentStore.list(of: tenant, page.of(PaymentNoun.self), connection))
        }
    }

    /// Takes a payment that somebody enters, or a script imports; `conflict` when its event was taken before.
    package func create(
        _ new: NewPayment, of tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Payment> {
        try caller.demand(.paymentsCreate, in: .tenant(tenant))
        return try await take(new, of: tenant, by: AuditActor(caller), caller.user)
    }

    /// Takes a payment provider's message. The same event again is answered as it was the first time.
    ///
    /// - Parameters:
    ///   - bytes: the body as it came, which is what is signed.
    ///   - signature: `t=` the time in Unix seconds, `,v1=` HMAC-SHA-256 of the time, a dot and the body in
    ///     hexadecimal.
    package func receive(
        _ new: NewPayment, of tenant: TenantID, bytes: [UInt8], signature: String?, from origin: RequestOrigin
    ) async throws(OperationError) -> Payment {
        try check(signature, of: bytes)
        do throws(OperationError) {
            return try await take(new, of: tenant, by: AuditActor(user: nil, origin: origin), nil).value
        } catch {
            guard error.code == .conflict else { throw error }
            let known = try await environment.view(of: tenant) { connection in
                try await PaymentStore.find(
                    event: new.event, of: new.provider, in: tenant, connection)
            }
            guard let known, known.amount == new.amount else { throw error }
            return known
        }
    }

    private func check(_ signature: String?, of bytes: [UInt8]) throws(OperationError) {
        guard let secret = environment.paymentSecret else {
            throw OperationError(
                .conflict,
                detail: "No messages of payment providers are taken: set --payment-secret-file first.")
        }
        let now = environment.clock.now()
        let parts = (signature ?? "").split(separator: ",").map { $0.split(separator: "=", maxSplits: 1) }
        let time = parts.first { $0.count == 2 && $0[0] == "t" }?[1]
        let tags = parts.filter { $0.count == 2 && $0[0] == "v1" }.compactMap {
            Hexadecimal.decode(String($0[1]))
        }
        if let time, let seconds = Int64(time) {
            let age = now.microseconds / 1_000_000 - seconds
            let message = Array("\(time).".utf8) + bytes
            if age.magnitude <= UInt64(Self.toleranceSeconds),
                tags.contains(where: { hmacSHA256Verifies(tag: $0, key: secret, message: message) })
            {
                return
            }
        }
        throw .invalid([
            ValidationError(
                "eclusa-signature", .invalidFormat,
                "must be t=<Unix seconds of the last five minutes>,v1=<HMAC-SHA-256 of time.body in hex>")
        ])
    }

    private func take(
        _ new: NewPayment, of tenant: TenantID, by actor: AuditActor, _ user: UserID?
    ) async throws(OperationError) -> Changed<Payment> {
        guard new.amount > .zero, new.amount <= LedgerOperations.maximum else {
            throw .invalid([ValidationError("/amount", .outOfRange, "must be above 0 and at most 10^9")])
        }
        let now = environment.clock.now(), id = PaymentID(at: now)
        let transaction = LedgerOperations.moving(
            new.amount, .payment, of: tenant, at: now, reference: id.description, by: user)
        let payment = Payment(
            id: id, tenant: tenant, provider: new.provider, event: new.event, amount: new.amount,
            receivedAt: now, transaction: transaction.id)
        return try await environment.write("payments.create", in: .tenant(tenant), by: actor) {
            connection in
            guard try await PaymentStore.create(payment, connection) else {
                throw OperationError(.conflict, detail: "This event of this provider was taken before.")
            }
            try await LedgerStore.post([transaction], connection)
            try await BillingStore.refreshAmount(of: tenant, connection)
            return Recorded(
                payment,
                AuditSubject(
                    "payment", id,
                    [
                        "provider": .string(new.provider), "event": .string(new.event),
                        "amount": .string(new.amount.description),
                    ]))
        }
    }
}
