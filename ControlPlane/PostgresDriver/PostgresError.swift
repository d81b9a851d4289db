import CPostgres

/// Why the database did not answer as asked.
///
/// `description` is safe to log; `privateDetail` quotes the server, which may quote values: keep it out of
/// answers.
package struct PostgresError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// No connection now: refused, lost, shutting down, too many clients, or no free one before the
        /// deadline.
        case unavailable
        /// The server refused the statement; see `sqlState`.
        case refused
        /// The answer did not come in time (statement timeout, lock timeout, or silence of the server).
        case timedOut
        /// The calling task was cancelled; the transaction, if any, is rolled back.
        case cancelled
        /// A column was null, of another type or malformed: the statement and its reader disagree.
        case decoding
        /// The connection string or the use of the driver is wrong.
        case misuse
    }

    package let kind: Kind
    /// Five characters (PostgreSQL manual, appendix A), empty where the server did not speak.
    package let sqlState: String
    /// Name of the violated constraint, which states the rule.
    package let constraint: String?
    package let table: String?
    package let privateDetail: String
    /// The connection broke after COMMIT was sent: the transaction may or may not have happened.
    package var outcomeIsUnknown = false

    package init(
        _ kind: Kind, sqlState: String = "", constraint: String? = nil, table: String? = nil,
        privateDetail: String
    ) {
        self.kind = kind
        self.sqlState = sqlState
        self.constraint = constraint
        self.table = table
        self.privateDetail = privateDetail
    }

    /// What a failed result says. Without an SQLSTATE it is libpq speaking: the connection is gone.
    init(result: OpaquePointer) {
        func field(_ code: Character) -> String? {
            PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map { String(cString: $0) }
        }
        let sqlState = field("C") ?? ""
        let message = field("M") ?? PQresultErrorMessage(result).map { String(cString: $0) } ?? ""
        self.init(
            sqlState.isEmpty ? .unavailable : Self.kind(of: sqlState), sqlState: sqlState,
            constraint: field("n"), table: field("t"),
            privateDetail: [message, field("D"), field("H")].compactMap(\.self).joined(separator: "; "))
    }

    private static func kind(of sqlState: String) -> Kind {
        switch sqlState {
        case "57014", "55P03", "57P05", "25P03": .timedOut  // statement_timeout, lock_timeout, idle timeouts
        case "57P01", "57P02", "57P03", "53300": .unavailable  // shutdown, crash, start, crowd
        case let state where state.hasPrefix("08"): .unavailable  // connection exceptions
        default: .refused
        }
    }

    package var isUnavailable: Bool { kind == .unavailable }
    package var isUniqueViolation: Bool { sqlState == "23505" }
    package var isForeignKeyViolation: Bool { sqlState == "23503" }
    package var isCheckViolation: Bool { sqlState == "23514" }
    /// 22021 character_not_in_repertoire or 22P05 untranslatable_character: a text with U+0000, as itself or
    /// inside JSON.
    package var isUnstorableText: Bool { sqlState == "22021" || sqlState == "22P05" }
    /// 40001 serialization_failure or 40P01 deadlock_detected: the same transaction may succeed when run
    /// again.
    package var isRetryable: Bool { sqlState == "40001" || sqlState == "40P01" }

    /// The tables changed under a prepared statement (0A000 with this text), or the server forgot it (26000).
    var isStalePlan: Bool {
        sqlState == "26000" || (sqlState == "0A000" && privateDetail.contains("cached plan must not change"))
    }

    package var description: String {
        var text = "postgres: \(kind)"
        if !sqlState.isEmpty { text += " \(sqlState)" }
        if let constraint { text += " constraint \(constraint)" }
        if let table { text += " table \(table)" }
        return text
    }
}
