import EventLoops
import HTTPCalling
import JSONText
import Synchronization

/// What a command works with: the loop it runs on, an HTTP client, a wish to stop.
struct CommandContext {
    let loop: EventLoop
    let http: HTTPClient
    let stopRequests: StopRequests

    /// The admin API as the signed-in user.
    func admin() throws(CommandFailure) -> AdminClient {
        let path = Session.path()
        guard let session = Session.read(path) else {
            throw .signedOut(
                "not signed in; run 'eclusa login --url http://127.0.0.1:7070 --email you@example.com'")
        }
        return AdminClient(http: http, session: session) { renewed throws(CommandFailure) in
            try renewed.write(path)
        }
    }

    /// The tenant a command is about: the named one, or the only one there is.
    func tenant(_ invocation: Invocation, _ admin: AdminClient) async throws(CommandFailure) -> String {
        try await pick("tenant", invocation.options["tenant"], from: try await admin.list("/tenants"))
    }

    func workspace(
        _ invocation: Invocation, _ admin: AdminClient, tenant: String
    ) async throws(CommandFailure) -> String {
        let all = try await admin.list("/tenants/\(tenant)/workspaces")
        return try await pick("workspace", invocation.options["workspace"], from: all)
    }

    /// Finds by ID or name among `things`; without a wish there must be exactly one.
    func pick(
        _ noun: String, _ wish: String?, from things: [JSONValue]
    ) async throws(CommandFailure) -> String {
        if let wish {
            let found = things.first { thing in
                ["id", "slug", "name"].contains { thing[$0]?.string == wish }
            }
            guard let id = found?["id"]?.string else {
                let names = things.compactMap { ($0["slug"] ?? $0["name"])?.string }.prefix(20).joined(
                    separator: ", ")
                throw .refused("there is no \(noun) '\(wish)'; there is: \(names.isEmpty ? "none" : names)")
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
        table.rows = things.map { thing in columns.map { Self.cell(thing[$0.path]) } }
        Console.out(table.text)
    }

    /// Prints one thing field by field, or as JSON when asked.
    func show(_ thing: JSONValue) {
        if wantsJSON {
            Console.out(thing.text)
            return
        }
        let members = thing.object?.members ?? []
        let width = members.map(\.name.count).max() ?? 0
        for member in members {
            let padding = String(repeating: " ", count: width - member.name.count)
            Console.out("\(member.name)\(padding)  \(Self.cell(member.value))")
        }
    }

    static func cell(_ value: JSONValue?) -> String {
        switch value {
        case nil, .null?: "-"
        case let value?: value.string ?? value.text
        }
    }
}
