import Foundation
import Testing

/// The manifest is the architecture diagram; these rules read it.
@Suite("arrows")
struct ArrowTests {
    struct Module {
        let plane: String
        let name: String
        let arrows: [String]
    }

    /// `module("Plane", "Name", […])` and `program("Plane/Folder", "Name", […])` lines of Package.swift.
    static func modules() throws -> [Module] {
        let manifest = try Repository.text(of: "Package.swift")
        let pattern = #/(?:module|program)\(\s*"(\w+)(?:\/\w+)?",\s*"(\w+)"(?:,\s*\[([^\]]*)\])?/#
        return manifest.matches(of: pattern).map { match in
            let arrows = (match.3 ?? "").matches(of: #/"(\w+)"/#).map { String($0.1) }
            return Module(plane: String(match.1), name: String(match.2), arrows: arrows)
        }
    }

    @Test("the manifest is read whole")
    func reading() throws {
        let modules = try Self.modules()
        #expect(modules.count >= 30)
        #expect(modules.first { $0.name == "Policy" }?.arrows == ["Domain", "Contract", "Patterns"])
    }

    @Test("the planes never import each other")
    func planes() throws {
        let modules = try Self.modules()
        let plane = Dictionary(modules.map { ($0.name, $0.plane) }, uniquingKeysWith: { first, _ in first })
        for module in modules {
            for arrow in module.arrows {
                let target = plane[arrow] ?? "Shared"
                if module.plane == "Tests" { continue }
                #expect(target == module.plane || target == "Shared", "\(module.name) → \(arrow)")
            }
        }
    }

    @Test("the data plane never sees Postgres, the control plane never sees SQLite")
    func databases() throws {
        for module in try Self.modules() {
            if module.plane == "DataPlane" {
                #expect(!module.arrows.contains("CPostgres"), "\(module.name)")
            }
            if module.plane == "ControlPlane" {
                #expect(!module.arrows.contains("CSQLite"), "\(module.name)")
            }
        }
    }

    @Test(
        "the pure modules have only the arrows their page allows",
        arguments: [
            ("Domain", []), ("JSONText", []), ("HTTPWire", []),
            ("Settings", ["Cryptography"]),
            ("Cryptography", ["COpenSSL", "CSodium", "JSONText"]), ("Patterns", ["CRE2", "Domain"]),
            ("Policy", ["Domain", "Contract", "Patterns"]),
            ("Dialects", ["Cryptography", "Domain", "JSONText", "HTTPWire"]),
            ("Admission", ["Policy", "Contract", "Cryptography", "Domain"]),
        ] as [(String, [String])])
    func pure(_ name: String, _ allowed: [String]) throws {
        let module = try #require(try Self.modules().first { $0.name == name })
        #expect(Set(module.arrows).isSubset(of: allowed), "\(name) → \(module.arrows)")
    }

    @Test(
        "each C library is imported by the modules that own it alone",
        arguments: [
            ("CPostgres", ["PostgresDriver"]), ("CSQLite", ["LocalStore"]), ("CSodium", ["Cryptography"]),
            ("CZstd", ["Contract"]), ("COpenSSL", ["Cryptography", "Transport"]),
            ("CRE2", ["Patterns"]),
        ] as [(String, [String])])
    func libraries(_ library: String, _ owners: [String]) throws {
        for module in try Self.modules() where module.arrows.contains(library) {
            #expect(owners.contains(module.name), "\(module.name) → \(library)")
        }
    }
}
