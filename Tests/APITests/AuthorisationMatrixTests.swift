import API
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing

/// Every route of the table, asked by nobody, by strangers and by every role.
@Suite("The authorisation matrix")
struct AuthorisationMatrixTests {
    @Test("every route treats each kind of caller as its permission says")
    func matrix() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            for route in RouteTable.all {
                let probe = RouteProbe(route, world)
                switch route.access {
                case .public: try await probe.isOpen()
                case .signedIn:
                    try await probe.needsSignIn()
                    try await probe.refusesWrongIDs()
                case .needs(let permission, let place):
                    try await probe.needsSignIn()
                    try await probe.isHidden(from: world.stranger, place)
                    try await probe.refusesWrongIDs()
                    for role in Role.builtIn { try await probe.decides(permission, place, role) }
                }
            }
        }
    }

    @Test("who may not do a thing hears that first: a body or a query that is wrong tells them nothing more")
    func permissionFirst() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let nobody = try await world.signIn(try await world.user())
            let viewer = try #require(world.tokens[Role.viewer.name])
            let acme = try #require(TenantID(world.acme.tenant))
            let owner = Role.tenantOwner, workspace = try #require(WorkspaceID(world.acme.workspace))
            let ownerOfOne = try await world.token(owner, .workspace(acme, workspace))
            for route in RouteTable.all {
                guard case .needs(let permission, let place) = route.access else { continue }
                let probe = RouteProbe(route, world)
                try await probe.refusesFirst(nobody)
                try await probe.refusesFirst(world.stranger)
                if !Role.viewer.permissions.contains(permission) { try await probe.refusesFirst(viewer) }
                // What they have in one workspace counts for no more.
                if place != .workspace { try await probe.refusesFirst(ownerOfOne) }
            }
        }
    }

    @Test("what was deleted is not there for any route that names it, whoever asks")
    func deleted() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            for deletion in RouteTable.all where deletion.method == .delete {
                guard let parameter = deletion.pathParameters.last, parameter != .tenant else { continue }
                let path = try await RouteProbe(deletion, world).path()
                let gone = try await server.send(.delete, path, token: world.admin)
                #expect(gone.status < 300, "\(deletion.operationID): \(gone.text)")
                let id = try #require(path.split(separator: "/").last.map(String.init))
                // PUT puts it there again.
                for route in RouteTable.all
                where route.path.hasPrefix(deletion.path) && route.method != .put {
                    let probe = RouteProbe(route, world)
                    let reply = try await probe.send(
                        token: world.admin, path: try await probe.path([parameter: id]))
                    #expect(reply.status == 404, "\(route.operationID): \(reply.text)")
                    #expect(reply.code == "not_found", "\(route.operationID)")
                }
            }
        }
    }

    @Test("no route of a tenant lacks its tenant, and every permission of the table is known")
    func table() {
        for route in RouteTable.all {
            guard case .needs(_, let place) = route.access else { continue }
            #expect((place != .platform) == route.path.contains("{tenant}"), "\(route.operationID)")
        }
        let ids = RouteTable.all.map(\.operationID)
        #expect(Set(ids).count == ids.count, "operation ids are unique")
    }
}
