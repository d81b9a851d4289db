/// The value after a write, and the token by which the change can be followed to the nodes.
package struct Changed<Value: Sendable>: Sendable {
    package let value: Value
    package let token: ChangeToken

    package init(_ value: Value, token: ChangeToken) {
        self.value = value
        self.token = token
    }
}

/// Names the transaction of a write: `change_` + its 64-bit number in hexadecimal.
///
/// Whoever has one may ask how far the change has travelled; it says nothing about what was changed.
package struct ChangeToken: Sendable, Hashable, LosslessStringConvertible {
    /// Postgres' `xid8` of the transaction.
    package let transaction: UInt64

    package init(transaction: UInt64) { self.transaction = transaction }

    package init?(_ text: String) {
        let prefix = "change_"
        guard text.hasPrefix(prefix), text.utf8.count == prefix.utf8.count + 16,
            let number = UInt64(text.dropFirst(prefix.utf8.count), radix: 16)
        else { return nil }
        transaction = number
        guard description == text else { return nil }
    }

    package var description: String {
        let digits = String(transaction, radix: 16)
        return "change_" + String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
