import Cryptography
import EventLoops
import HTTPCalling
import JSONText
import Settings
import Synchronization

/// What a command works with: the loop it runs on, an HTTP client, a wish to stop.
struct CommandContext {
    let loop: EventLoop
    let http: HTTPClient
    let stopRequests: StopRequests
    /// Whose session is used; nil: the usual one.
    var profile: String?
    /// In place of a stored one, for tests.
    var session: Session?

    /// The admin API as the signed-in user, or with the token of `ECLUSA_TOKEN` (a service account's, or
    /// `file:` and where it is).
    func admin() throws(CommandFailure) -> AdminClient {
        if let wish = Stack.environment("ECLUSA_TOKEN") {
            let token: String
            do throws(SettingFault) {
                token = try SecretSource.read(wish, minimumBytes: 1).withBytes {
                    String(decoding: $0, as: UTF8.self)
                }
            } catch { throw .configuration("ECLUSA_TOKEN \(error.what): \(error.fix)") }
            let url = Stack.environment("ECLUSA_URL") ?? "http://127.0.0.1:7070"
            let session = Session(url: url, accessToken: token, refreshToken: "")
            return AdminClient(http: http, session: session) { _ in }
        }
        if let session { return AdminClient(http: http, session: session) { _ in } }
        let path = Session.path(profile: profile)
        guard let session = Session.read(path) else {
            throw .signedOut(
                "not signed in; run 'eclusa login --url URL --email you@example.com' with the URL of the "
                    + "control plane, as `eclusa up` printed it or http://127.0.0.1:7070")
        }
        return AdminClient(http: http, session: session) { renewed throws(CommandFailure) in
            try renewed.write(path)
        }
    }

    /// The tenant a command is about: the named one, or the only one there is.
    func tenant(_ invocation: Invocation, _ admin: AdminClient) async throws(CommandFailure) -> String {
        try Self.pick("tenant", invocation.options["tenant"], from: try await admin.list("/tenants"))
    }

    /// Finds by ID or name among `things`; without a wish there must be exactly one.
    static func pick(
        _ noun: String, _ wish: String?, from things: [JSONValue]
    ) throws(CommandFailure) -> String {
        if let wish {
            let found = things.filter { thing in
                ["id", "slug", "name", "email", "node_name"].contains { thing[$0]?.string == wish }
            }
            guard let id = found.first?["id"]?.string else {
                let all = things.compactMap { ($0["slug"] ?? $0["name"] ?? $0["email"])?.string }
                let nearest = Nearest.name(to: wish, among: all).map { "; did you mean '\($0)'?" }
                let names = all.prefix(20).joined(separator: ", ")
                throw .refused(
                    "there is no \(noun) '\(wish)'"
                        + (nearest ?? "; there is: \(names.isEmpty ? "none" : names)"))
            }
            guard found.count == 1 else {
                throw .refused("\(found.count) are called '\(wish)'; say which by its ID")
            }
            return id
        }
        guard things.count == 1, let id = things[0]["id"]?.string else {
            throw .usage(
                things.isEmpty
                    ? "there is no \(noun) yet" : "there are several; say which with --\(noun) NAME")
        }
        return id
    }
}

/// Whether Ctrl-C or SIGTERM asked this process to stop; set by the signal thread.
final class StopRequests: Sendable {
    private let requested = Atomic<Bool>(false)
    var isRequested: Bool { requested.load(ordering: .acquiring) }
    func request() { requested.store(true, ordering: .releasing) }
}

/// The exit code, handed from the loop's task to the thread that ran the loop.
final class Outcome: Sendable {
    private let code = Atomic<Int32>(70)
    func set(_ value: Int32) { code.store(value, ordering: .releasing) }
    func get() -> Int32 { code.load(ordering: .acquiring) }
}

extension Invocation {
    /// Prints a list as a table, or as JSON when asked.
    func show(_ things: [JSONValue], _ columns: [(heading: String, path: String)], numbers: Set<String> = [])
    {
        if wantsJSON {
            Console.out(JSONValue.array(things).text)
            return
        }
        if things.isEmpty {
            Console.error("none")
            return
        }
        var table = Table(
            columns: columns.map { Table.Column(heading: $0.heading, isNumber: numbers.contains($0.path)) })
        table.rows = things.map { thing in columns.map { Columns.text($0.path, of: thing) } }
        Console.out(table.text)
    }

    /// Prints one thing field by field, the things in it as tables below, or as JSON when asked.
    func show(_ thing: JSONValue) {
        if wantsJSON {
            Console.out(thing.text)
            return
        }
        Console.out(Self.text(of: thing))
    }

    static func text(of thing: JSONValue) -> String {
        let members = (thing.object?.members ?? []).flatMap { member in
            guard let inner = member.value.object?.members, member.name == "user" else { return [member] }
            return inner
        }
        let lists = members.filter { $0.value.array?.first?.object != nil }
        let fields = members.filter { $0.value.array?.first?.object == nil }
        let width = fields.map(\.name.count).max() ?? 0
        var parts = [
            fields.map { field in
                let padding = String(repeating: " ", count: width - field.name.count)
                return "\(field.name)\(padding)  \(cell(field.value))"
            }.joined(separator: "\n")
        ]
        for list in lists {
            let things = list.value.array ?? []
            let columns = Columns.of(list.name, within: things)
            var table = Table(columns: columns.map { Table.Column(heading: $0.replacing("_", with: " ")) })
            table.rows = things.map { thing in columns.map { cell(thing[$0]) } }
            parts.append("\(list.name):\n\(table.text)")
        }
        return parts.filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    /// A value in words: lists by commas, things in them by their names, members as options name them.
    static func cell(_ value: JSONValue?) -> String {
        guard let value else { return "-" }
        if case .null = value { return "-" }
        if let things = value.array {
            let names: [String?] = things.map { thing in
                thing.object == nil
                    ? cell(thing)
                    : ["upstream_model", "name", "model", "id"].lazy.compactMap { thing[$0]?.string }.first
            }
            if names.contains(nil) { return "\(things.count)" }
            return names.isEmpty ? "-" : names.compactMap(\.self).joined(separator: ", ")
        }
        if let members = value.object?.members {
            let said = members.map { ($0.name, cell($0.value)) }.filter { $0.1 != "-" }
            return said.isEmpty ? "-" : said.map { "\($0)=\($1)" }.joined(separator: " ")
        }
        return value.string ?? value.text
    }
}
