import Cryptography
import Domain
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

/// What was queued for somebody, as the sender would open it.
struct QueuedMail {
    let kind: Mail.Kind
    let subject: String
    let text: String
    let isDecoy: Bool
    /// Name and content of the file that goes with it.
    var file: (name: String, bytes: [UInt8])?

    /// The token in the message's link.
    var token: String { String(text.firstMatch(of: #/#token=([\w-]+)/#)?.1 ?? "") }
}

extension AdminServer {
    /// Messages queued for an address, in the order they were written.
    func mails(to address: String) async throws -> [QueuedMail] {
        let rows = try await database.pool.withConnection { connection in
            try await connection.query(
                "select id, kind, sealed from mails where recipient = \(address) order by ctid")
        }
        return try rows.map { row in
            let uuid = try row.uuid(0)
            let kind = try #require(Mail.Kind(rawValue: try row.text(1)))
            guard let sealed = try row.optionalBytes(2) else {
                return QueuedMail(kind: kind, subject: "", text: "", isDecoy: true)
            }
            let opened = try keys.identity.openMail(MailID(high: uuid.high, low: uuid.low), sealed)
            let json = try JSONValue.parse(
                opened.withBytes { Array($0) }, limits: JSONLimits(maximumBytes: sealed.count))
            var mail = QueuedMail(
                kind: kind, subject: json["subject"]?.string ?? "", text: json["text"]?.string ?? "",
                isDecoy: false)
            if let file = json["file"] {
                mail.file = (file["name"]?.string ?? "", Base64.decode(file["base64"]?.string ?? "") ?? [])
            }
            return mail
        }
    }

    /// The token of the newest message to an address.
    func newestToken(for address: String) async throws -> String {
        try #require(try await mails(to: address).last).token
    }
}
