package import Domain
package import PostgresDriver

/// Messages that wait to be handed to a mail server; platform-wide. A write that causes a message queues it
/// in its own transaction.
package enum MailStore {
    private static let columns: SQL =
        """
        id, recipient, kind, status, attempts, next_attempt_at, give_up_at, reason, created_at, finished_at
        """
    private static let maximumReasonBytes = 500

    /// Queues a message; the senders hear of it when the transaction commits. With `decoy`, a reason, the
    /// same is written and the message is over at once: nobody is to see from outside that there is none.
    package static func enqueue(
        _ mail: Mail, sealed: [UInt8], decoy: String? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let isDecoy = decoy != nil
        try await connection.execute(
            """
            with notified as (select pg_notify('eclusa_mail', ''))
            insert into mails (id, recipient, kind, sealed, status, attempts, next_attempt_at, give_up_at,
                               reason, created_at, finished_at)
            select \(mail.id), \(mail.recipient), \(mail.kind.rawValue),
                   case when not \(isDecoy) then \(sealed) end,
                   case when \(isDecoy) then 'failed' else 'waiting' end, 0, \(mail.nextAttemptAt),
                   \(mail.giveUpAt), \(decoy ?? ""), \(mail.createdAt),
                   case when \(isDecoy) then \(mail.createdAt) end
              from notified
            """)
    }

    /// A message that this caller alone may hand over until its lease ends.
    package struct Claimed: Sendable {
        /// `attempts` counts this one; it fences the claim.
        package let mail: Mail
        package let sealed: [UInt8]
    }

    /// The message that is due longest. Two callers never claim the same one.
    package static func claim(
        at now: Timestamp, leaseUntil: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Claimed? {
        let rows = try await connection.query(
            """
            update mails
               set attempts = attempts + 1, next_attempt_at = \(leaseUntil)
             where id = (select id
                           from mails
                          where status = 'waiting' and next_attempt_at <= \(now)
                          order by next_attempt_at, id
                          limit 1
                            for update skip locked)
            returning \(fragment: columns), sealed
            """)
        return try rows.first.map { row throws(PostgresError) in
            Claimed(mail: try read(row), sealed: try row.bytes(10))
        }
    }

    /// Ends a message and forgets its text. False: the claim was lost to somebody else.
    package static func finish(
        _ id: MailID, attempt: Int, as status: Mail.Status, reason: String, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update mails
               set status = \(status.rawValue), reason = \(shortened(reason)), finished_at = \(now),
                   sealed = null
             where id = \(id) and attempts = \(attempt) and status = 'waiting'
            """) == 1
    }

    /// Lets a message wait for another try. False: the claim was lost to somebody else.
    package static func retry(
        _ id: MailID, attempt: Int, at next: Timestamp, reason: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update mails
               set next_attempt_at = \(next), reason = \(shortened(reason))
             where id = \(id) and attempts = \(attempt) and status = 'waiting'
            """) == 1
    }

    package static func list(
        status: Mail.Status? = nil, kind: Mail.Kind? = nil, _ page: Page<Mail>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Mail, Mail> {
        let ofStatus: SQL = status.map { "and status = \($0.rawValue)" } ?? ""
        let ofKind: SQL = kind.map { "and kind = \($0.rawValue)" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from mails
             where id < \(page.bound) \(fragment: ofStatus) \(fragment: ofKind)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Removes messages that ended before a moment; gives their number.
    package static func purge(
        finishedBefore moment: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute("delete from mails where finished_at < \(moment)")
    }

    private static func shortened(_ reason: String) -> String {
        var reason = reason
        while reason.utf8.count > maximumReasonBytes { reason.removeLast() }
        return reason
    }

    private static func read(_ row: Row) throws(PostgresError) -> Mail {
        Mail(
            id: try row.id(0), recipient: try row.text(1), kind: try row.value(2, Mail.Kind.init(rawValue:)),
            status: try row.value(3, Mail.Status.init(rawValue:)), attempts: try row.int(4),
            nextAttemptAt: try row.timestamp(5), giveUpAt: try row.timestamp(6), reason: try row.text(7),
            createdAt: try row.timestamp(8), finishedAt: try row.optionalTimestamp(9))
    }
}
