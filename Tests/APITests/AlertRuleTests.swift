import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing

/// Alert rules and channels over the admin API.
@Suite("Alert rules and channels")
struct AlertRuleTests {
    @Test("rules and channels are made, read, listed, changed and deleted; a webhook's secret shows once")
    func lifeCycle() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let made = try await server.send(
                .post, "\(base)/alert-channels", token: world.admin,
                body: [
                    "name": "On call", "kind": "webhook", "url": "https://hooks.example.com/a",
                    "quiet_hours": ["from": "22:00", "to": "07:00", "time_zone": "Europe/Lisbon"],
                ])
            #expect(made.status == 201, "\(made.text)")
            let secret = made.string("secret"), channel = made.string("channel", "id")
            #expect(WebhookSecret(secret) != nil)
            let one = "\(base)/alert-channels/\(channel)"
            let read = try await server.send(.get, one, token: world.admin)
            #expect(read.json["quiet_hours"]?["from"]?.string == "22:00" && !read.text.contains(secret))
            let rotated = try await server.send(.post, "\(one)/rotate-secret", token: world.admin)
            #expect(rotated.status == 200 && rotated.string("secret") != secret)
            let rule = try await server.send(
                .post, "\(base)/alert-rules", token: world.admin,
                body: [
                    "name": "Errors", "kind": "error_rate", "threshold": 5,
                    "route": .string(world.acme.route),
                    "channels": [.string(channel)],
                ])
            #expect(rule.status == 201, "\(rule.text)")
            #expect(rule.string("unit") == "percent" && rule.string("severity") == "warning")
            let path = "\(base)/alert-rules/\(rule.string("id"))"
            let changed = try await server.send(
                .patch, path, token: world.admin, body: ["threshold": 10, "severity": "critical"])
            #expect(changed.json["threshold"]?.exactInt64 == 10 && changed.string("severity") == "critical")
            for (query, count) in [("", 1), ("?kind=error_rate", 1), ("?kind=latency", 0)] {
                let listed = try await server.send(.get, "\(base)/alert-rules\(query)", token: world.admin)
                #expect(listed.json["data"]?.array?.count == count, "\(query)")
            }
            // A channel that goes leaves its rules.
            #expect(try await server.send(.delete, one, token: world.admin).status == 200)
            let left = try await server.send(.get, path, token: world.admin)
            #expect(left.json["channels"]?.array?.isEmpty == true)
            #expect(try await server.send(.delete, path, token: world.admin).status == 200)
            #expect(try await server.send(.get, path, token: world.admin).status == 404)
        }
    }

    @Test("what cannot be is refused at its place")
    func refused() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            server.refusedHosts = ["10.0.0.1"]
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let foreign = try await world.make(
                "/api/v1/tenants/\(world.other.tenant)/alert-channels", World.webhook("theirs"),
                id: "channel", "id")
            let rules: [(JSONValue, String)] = [
                (["threshold": 101], "/threshold"), (["threshold": 0], "/threshold"),
                (["kind": "node_offline", "threshold": 60], "/kind"), (["kind": "weather"], "/kind"),
                (["limit": .string(try await world.limit())], "/limit"),
                (["kind": "budget_threshold", "route": .string(world.acme.route)], "/route"),
                (["route": .string(world.other.route)], "/route"),
                (["workspace": .string(world.other.workspace)], "/workspace"),
                (["channels": [.string(foreign)]], "/channels/0"),
                (["channels": [.string(foreign), .string(foreign)]], "/channels"),
                (["window_minutes": 0], "/window_minutes"), (["percentile": 100], "/percentile"),
                (["surprise": 1], "/surprise"),
            ]
            for (more, pointer) in rules {
                let reply = try await server.send(
                    .post, "\(base)/alert-rules", token: world.admin,
                    body: Self.merged(["name": "r", "kind": "error_rate", "threshold": 5], more))
                #expect(reply.status == 400 && reply.pointers.first == pointer, "\(pointer): \(reply.text)")
            }
            let hours: JSONValue = ["from": "22:00", "to": "22:00", "time_zone": "UTC"]
            let atlantis: JSONValue = ["from": "22:00", "to": "23:00", "time_zone": "Europe/Atlantis"]
            let late: JSONValue = ["from": "25:00", "to": "23:00", "time_zone": "UTC"]
            let channels: [(JSONValue, String)] = [
                (["url": "ftp://example.com"], "/url"), (["url": "https://10.0.0.1/a"], "/url"),
                (["url": nil], "/url"), (["recipients": ["a@example.com"]], "/recipients"),
                (["kind": "email"], "/recipients"), (["kind": "pigeon"], "/kind"),
                (["kind": "email", "url": nil, "recipients": ["nobody"]], "/recipients/0"),
                (["quiet_hours": hours], "/quiet_hours/to"),
                (["quiet_hours": atlantis], "/quiet_hours/time_zone"),
                (["quiet_hours": late], "/quiet_hours/from"),
            ]
            for (more, pointer) in channels {
                let reply = try await server.send(
                    .post, "\(base)/alert-channels", token: world.admin,
                    body: Self.merged(World.webhook("c"), more))
                #expect(reply.status == 400 && reply.pointers.first == pointer, "\(pointer): \(reply.text)")
            }
            let platform = try await server.send(
                .post, "/api/v1/alert-rules", token: world.admin,
                body: ["name": "r", "kind": "latency", "threshold": 5])
            #expect(platform.pointers == ["/kind"])
        }
    }

    @Test("mail has no secret to rotate; a name is given once")
    func conflicts() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/alert-channels"
            let mail: JSONValue = [
                "name": "Mail", "kind": "email", "recipients": ["a@example.com"], "language": "pt-BR",
            ]
            let made = try await server.send(.post, base, token: world.admin, body: mail)
            #expect(made.status == 201 && made.json["secret"]?.isNull == true, "\(made.text)")
            #expect(try await server.send(.post, base, token: world.admin, body: mail).status == 409)
            let rotated = try await server.send(
                .post, "\(base)/\(made.string("channel", "id"))/rotate-secret", token: world.admin)
            #expect(rotated.status == 409)
        }
    }

    private static func merged(_ one: JSONValue, _ more: JSONValue) -> JSONValue {
        var object = one.object ?? JSONObject()
        for member in more.object?.members ?? [] {
            object[member.name] = member.value.isNull ? nil : member.value
        }
        return .object(object)
    }
}
