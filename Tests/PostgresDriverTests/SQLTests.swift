import Testing

@testable import PostgresDriver

@Suite("SQL text")
struct SQLTests {
    @Test("values become numbered placeholders, never text")
    func placeholders() {
        let name = "'; drop table tenants; --"
        let sql: SQL = "select * from t where name = \(name) and id = \(7) and gone = \(nil as String?)"
        #expect(sql.text == "select * from t where name = $1 and id = $2 and gone = $3")
        #expect(sql.parameters == [.text(name), .int64(7), .null(.text)])
    }

    @Test("fragments keep their values and are numbered anew")
    func fragments() {
        let condition: SQL = "a = \(1) and b = \("x")"
        let sql: SQL = "select \(true) where \(fragment: condition) limit \(5)"
        #expect(sql.text == "select $1 where a = $2 and b = $3 limit $4")
        #expect(sql.parameters == [.bool(true), .int64(1), .text("x"), .int64(5)])
        let joined = condition + " or c = \(2)"
        #expect(joined.text == "a = $1 and b = $2 or c = $3")
    }

    @Test("a list is one parameter, whatever its length")
    func lists() {
        let short: SQL = "id = any(\([1, 2]))"
        let long: SQL = "id = any(\([1, 2, 3, 4]))"
        #expect(short.text == long.text)
        #expect(long.parameters == [.array(.int64, [.int64(1), .int64(2), .int64(3), .int64(4)])])
    }

    @Test(
        "a value has the bytes the server expects",
        arguments: [
            (.bool(true), [1]), (.int32(-2), [255, 255, 255, 254]),
            (.int64(258), [0, 0, 0, 0, 0, 0, 1, 2]), (.text("é"), [0xc3, 0xa9]), (.bytes([0, 9]), [0, 9]),
            (.json("{}"), [1, 0x7b, 0x7d]), (.double(1), [0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
            (.date(days: 10_958), [0, 0, 0, 1]),
            (.timestamp(microseconds: 946_684_800_000_001), [0, 0, 0, 0, 0, 0, 0, 1]),
            (.uuid(PostgresUUID(high: 1, low: 2)), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]),
            (.null(.text), []),
        ] as [(SQLParameter, [UInt8])])
    func encoding(_ parameter: SQLParameter, _ bytes: [UInt8]) {
        var wire = WireBytes()
        parameter.encode(into: &wire)
        #expect(wire.bytes == bytes)
    }

    @Test("times beyond what the server can hold do not trap")
    func extremes() {
        #expect(PostgresEpoch.wire(microseconds: .min) == .min)
        #expect(PostgresEpoch.wire(days: .min) == .min)
        #expect(PostgresEpoch.wire(microseconds: 0) == -946_684_800_000_000)
    }
}

@Suite("statement cache")
struct StatementCacheTests {
    private let a, b, c: StatementCache.Key

    init() throws {
        a = try EncodedStatement("a").key
        b = try EncodedStatement("b").key
        c = try EncodedStatement("c").key
    }

    @Test("a statement keeps its name whatever it binds, and one with other types is another")
    func names() throws {
        func key(_ value: some SQLBindable, _ condition: SQL = "true") throws -> StatementCache.Key {
            try EncodedStatement("select \(value) where \(fragment: condition)").key
        }
        var cache = StatementCache(capacity: 4)
        #expect(cache.lookUp(try key("one")) == .missing(name: "s1", evicted: nil))
        cache.insert(try key("one"), name: "s1")
        #expect(cache.lookUp(try key("two")) == .prepared("s1"))
        for other in [try key(1), try key("one", "false"), try key("one", "a = \(1)")] {
            #expect(cache.lookUp(other) != .prepared("s1"))
        }
    }

    @Test("what is bound between the same literals makes another statement")
    func order() throws {
        let (and, or): (SQL, SQL) = (" and ", " or "), bound: SQL = "\(1)"
        let keys = try [and + or + bound, and + bound + or, bound + and + or, or + and + bound, and + or]
            .map { try EncodedStatement($0).key }
        #expect(Set(keys).count == keys.count)
    }

    @Test("a full cache gives up what was not used for longest")
    func eviction() {
        var cache = StatementCache(capacity: 2)
        for key in [a, b] {
            guard case .missing(let statement, _) = cache.lookUp(key) else { continue }
            cache.insert(key, name: statement)
        }
        _ = cache.lookUp(a)
        #expect(cache.lookUp(c) == .missing(name: "s3", evicted: "s2"))
        #expect(cache.count == 1)
        #expect(cache.lookUp(a) == .prepared("s1"))
    }

    @Test("a forgotten statement is prepared again")
    func removal() {
        var cache = StatementCache(capacity: 2)
        _ = cache.lookUp(a)
        cache.insert(a, name: "s1")
        #expect(cache.remove(a) == "s1")
        #expect(cache.remove(a) == nil)
        #expect(cache.lookUp(a) == .missing(name: "s2", evicted: nil))
    }
}

@Suite("reconnecting")
struct ReconnectBackoffTests {
    @Test("attempts come less and less often, up to a limit")
    func delays() {
        var backoff = ReconnectBackoff()
        var delays: [Int64] = []
        for _ in 0..<10 {
            backoff.failed(now: 0, jitter: 0.999_999)
            delays.append(backoff.nextAttempt)
        }
        #expect(delays == delays.sorted())
        #expect(delays[0] <= ReconnectBackoff.first)
        #expect(delays[9] > ReconnectBackoff.longest * 9 / 10 && delays[9] <= ReconnectBackoff.longest)
    }

    @Test("jitter only shortens the second half of a delay")
    func jitter() {
        var eager = ReconnectBackoff()
        eager.failed(now: 1000, jitter: 0)
        #expect(eager.nextAttempt == 1000 + ReconnectBackoff.first / 2)
    }

    @Test("callers wait for a short absence and not for a long one")
    func patience() {
        var backoff = ReconnectBackoff()
        #expect(backoff.isWorthWaiting(now: 0) && !backoff.isDown)
        backoff.failed(now: 0, jitter: 0)
        #expect(backoff.isDown && backoff.isWorthWaiting(now: ReconnectBackoff.patience - 1))
        backoff.failed(now: ReconnectBackoff.patience, jitter: 0)
        #expect(!backoff.isWorthWaiting(now: ReconnectBackoff.patience))
        backoff.succeeded()
        #expect(!backoff.isDown && backoff.isWorthWaiting(now: .max))
    }
}
