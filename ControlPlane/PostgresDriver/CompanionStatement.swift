/// A statement that goes along with another one. Loop thread.
package final class CompanionStatement {
    let sql: SQL
    /// nil: it has not run.
    var rows: Rows?

    init(_ sql: SQL) { self.sql = sql }
}
