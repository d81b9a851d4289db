// swift-tools-version: 6.2
// This manifest is the architecture diagram: one line a module, its arrows beside it. Tests/Tidy reads it.
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

func system(_ name: String, _ folder: String, pkgConfig: String?, apt: String) -> Target {
    .systemLibrary(name: name, path: "Shared/C/\(folder)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}
func c(_ name: String, _ path: String) -> Target {
    .target(name: name, path: path, cSettings: [.unsafeFlags(["-std=gnu2x", "-Wall", "-Wextra"])])
}
func module(_ plane: String, _ name: String, _ arrows: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: arrows, path: "\(plane)/\(name)", swiftSettings: strict)
}
func program(
    _ path: String, _ name: String, _ arrows: [Target.Dependency], besides: [String] = []
) -> Target {
    .executableTarget(name: name, dependencies: arrows, path: path, exclude: besides, swiftSettings: strict)
}
func tests(_ name: String, _ arrows: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: arrows, path: "Tests/\(name)", swiftSettings: strict)
}

let package = Package(
    name: "eclusa",
    products: [
        .executable(name: "eclusa", targets: ["CommandLineTool"]),
        .executable(name: "eclusa-control", targets: ["ControlServer"]),
        .executable(name: "eclusa-gateway", targets: ["GatewayServer"]),
        .executable(name: "eclusa-stand-in", targets: ["StandInProvider"]),
        .executable(name: "eclusa-bench", targets: ["Benchmarks"]),
        .executable(name: "eclusa-bench-snapshots", targets: ["SnapshotBenchmarks"]),
        .executable(name: "eclusa-simulate", targets: ["Simulate"]),
    ],
    targets: [
        // System libraries and shims
        system("COpenSSL", "OpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
        system("CPostgres", "Postgres", pkgConfig: "libpq", apt: "libpq-dev"),
        system("CSQLite", "SQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
        system("CZstd", "Zstd", pkgConfig: "libzstd", apt: "libzstd-dev"),
        system("CSodium", "Sodium", pkgConfig: "libsodium", apt: "libsodium-dev"),
        .target(
            name: "CRE2", path: "Shared/C/RE2",
            cxxSettings: [.unsafeFlags(["-std=gnu++17", "-Wall", "-Wextra"])],
            linkerSettings: [.linkedLibrary("re2")]),
        system("CHaru", "Haru", pkgConfig: nil, apt: "libhpdf-dev"),
        c("CEventLoops", "Shared/C/EventLoops"),
        c("CDescription", "ControlPlane/Description"),
        c("CMigrations", "ControlPlane/Migrations"),
        c("CCatalogue", "ControlPlane/Catalogue"),

        // Shared: what both planes import
        module("Shared", "Domain"),
        module("Shared", "JSONText"),
        module("Shared", "Cryptography", ["COpenSSL", "CSodium", "JSONText"]),
        module("Shared", "Contract", ["Domain", "Cryptography", "JSONText", "CZstd"]),
        module("Shared", "Patterns", ["CRE2", "Domain"]),
        module("Shared", "Policy", ["Domain", "Contract", "Patterns"]),
        module("Shared", "EventLoops", ["CEventLoops"]),
        module("Shared", "Transport", ["EventLoops", "CEventLoops", "COpenSSL"]),
        module("Shared", "HTTPWire"),
        module("Shared", "Telemetry", ["JSONText"]),
        module("Shared", "HTTPServing", ["HTTPWire", "Transport", "EventLoops", "Telemetry"]),
        module("Shared", "HTTPCalling", ["HTTPWire", "Transport", "EventLoops", "Telemetry"]),
        module("Shared", "Settings", ["Cryptography"]),
        module(
            "Shared", "TelemetryExport",
            ["HTTPCalling", "HTTPWire", "Transport", "EventLoops", "Cryptography", "Settings", "Telemetry"]),
        module("Shared", "Lifecycle", ["EventLoops", "Telemetry", "CEventLoops"]),

        // Control plane: layers, top to bottom
        program(
            "ControlPlane/Server", "ControlServer",
            [
                "Backup", "API", "Operations", "Publishing", "Ingest", "OpenID", "Mail", "SMTP", "Store",
                "PostgresDriver", "HTTPCalling", "HTTPServing", "HTTPWire", "Transport",
                "EventLoops", "Cryptography", "Contract", "Domain", "Settings", "Telemetry",
                "TelemetryExport", "Lifecycle",
            ]),
        program(
            "ControlPlane/CommandLine", "CommandLineTool",
            [
                "CDescription", "Backup", "PostgresDriver", "HTTPCalling", "HTTPWire", "Transport",
                "EventLoops",
                "Cryptography", "Domain", "JSONText",
                "Settings", "Telemetry", "Lifecycle",
            ]),
        module(
            "ControlPlane", "API",
            [
                "Operations", "Publishing", "Ingest", "PDF", "HTTPServing", "HTTPWire", "Transport",
                "EventLoops",
                "Telemetry",
                "Policy", "Contract",
                "Cryptography", "Domain", "JSONText",
            ]),
        module(
            "ControlPlane", "Ingest",
            ["Store", "PostgresDriver", "Contract", "Cryptography", "Domain", "Telemetry"]),
        module(
            "ControlPlane", "Mail",
            [
                "SMTP", "Store", "PostgresDriver", "Cryptography", "Domain", "JSONText", "EventLoops",
                "Telemetry",
            ]),
        module(
            "ControlPlane", "OpenID",
            ["HTTPCalling", "HTTPWire", "Transport", "EventLoops", "Cryptography", "JSONText"]),
        module("ControlPlane", "PDF", ["CHaru"]),
        module("ControlPlane", "SMTP", ["Transport", "EventLoops", "Cryptography"]),
        module(
            "ControlPlane", "Publishing",
            [
                "Store", "PostgresDriver", "Policy", "Contract", "Cryptography", "Domain", "EventLoops",
                "Telemetry",
            ]),
        module(
            "ControlPlane", "Operations",
            [
                "OpenID", "CCatalogue", "Store", "PostgresDriver", "Policy", "Patterns", "Contract",
                "Cryptography", "Domain", "JSONText",
                "EventLoops",
                "Telemetry",
            ]),
        module(
            "ControlPlane", "Store", ["PostgresDriver", "CMigrations", "Domain", "Contract", "Cryptography"]),
        module(
            "ControlPlane", "Backup",
            [
                "Store", "PostgresDriver", "Cryptography", "Domain", "JSONText", "EventLoops", "Telemetry",
            ]),
        module("ControlPlane", "PostgresDriver", ["CPostgres", "EventLoops", "CEventLoops", "Telemetry"]),

        // Data plane: the stages of a call, in the order a call meets them
        program(
            "DataPlane/Server", "GatewayServer",
            [
                "Relay", "Metering", "Guarding", "Routing", "Admission", "Grants", "Feed", "LocalStore",
                "Dialects", "HTTPServing",
                "HTTPCalling", "HTTPWire", "Transport", "EventLoops", "Cryptography", "Contract", "Policy",
                "Domain",
                "JSONText", "Settings", "Telemetry", "TelemetryExport", "Lifecycle",
            ]),
        module(
            "DataPlane", "Feed",
            [
                "LocalStore", "Policy", "Contract", "Cryptography", "Domain", "JSONText", "HTTPCalling",
                "HTTPWire",
                "Transport", "EventLoops", "Telemetry",
            ]),
        module(
            "DataPlane", "LocalStore",
            ["CSQLite", "CEventLoops", "Cryptography", "Domain", "EventLoops"]),
        module(
            "DataPlane", "Grants", ["LocalStore", "Policy", "Contract", "Domain", "EventLoops", "Telemetry"]),
        module("DataPlane", "Admission", ["Policy", "Contract", "Cryptography", "Domain"]),
        module("DataPlane", "Routing", ["Policy", "Contract", "Domain"]),
        module("DataPlane", "Dialects", ["Cryptography", "Domain", "JSONText", "HTTPWire"]),
        module(
            "DataPlane", "Guarding", ["Dialects", "Policy", "Patterns", "Contract", "Domain", "JSONText"]),
        module(
            "DataPlane", "Metering",
            [
                "LocalStore", "Contract", "Cryptography", "Domain", "HTTPCalling", "HTTPWire", "EventLoops",
                "Telemetry",
            ]),
        module(
            "DataPlane", "Relay",
            [
                "Admission", "Grants", "Routing", "Dialects", "Guarding", "Metering", "Feed", "HTTPServing",
                "HTTPCalling",
                "HTTPWire", "Transport", "EventLoops", "Cryptography", "Contract", "Policy", "Domain",
                "JSONText", "Telemetry",
            ]),

        // Tests, and the programs only tests and benches run
        program(
            "Tests/StandInProvider", "StandInProvider",
            [
                "HTTPServing", "HTTPWire", "Transport", "EventLoops", "Cryptography", "JSONText", "Settings",
                "Telemetry",
                "Lifecycle",
            ]),
        program(
            "Tests/Benchmarks", "Benchmarks", ["CEventLoops"],
            besides: ["litellm", "litellm-requirements.txt"]),
        program(
            "Tests/SnapshotBenchmarks", "SnapshotBenchmarks",
            [
                "Publishing", "Store", "PostgresDriver", "Feed", "LocalStore", "Policy", "Contract",
                "Cryptography", "Domain", "EventLoops", "Telemetry", "TestSupport",
            ]),
        program("Tests/Simulate", "Simulate", ["SimulatedPlanes"]),
        .target(
            name: "SimulatedPlanes",
            dependencies: [
                "Publishing", "Store", "Feed", "Policy", "Contract", "Cryptography", "Domain", "TestSupport",
            ],
            path: "Tests/SimulatedPlanes", swiftSettings: strict),
        .target(
            name: "TestSupport",
            dependencies: [
                "PostgresDriver", "Store", "Policy", "Contract", "Cryptography", "Domain", "EventLoops",
                "Transport",
            ],
            path: "Tests/Support", swiftSettings: strict),
        tests("DomainTests", ["Domain", "TestSupport"]),
        tests("JSONTextTests", ["JSONText", "TestSupport"]),
        tests("CryptographyTests", ["Cryptography", "JSONText", "TestSupport"]),
        tests("ContractTests", ["Contract", "Cryptography", "Domain", "TestSupport"]),
        tests("PolicyTests", ["Policy", "Contract", "Cryptography", "Domain", "TestSupport"]),
        tests("PatternsTests", ["Patterns", "Domain", "TestSupport"]),
        tests("Simulation", ["SimulatedPlanes"]),
        tests("EventLoopsTests", ["EventLoops", "TestSupport"]),
        tests(
            "TransportTests",
            ["Transport", "EventLoops", "CEventLoops", "COpenSSL", "Cryptography", "TestSupport"]),
        tests("HTTPWireTests", ["HTTPWire", "TestSupport"]),
        tests(
            "HTTPServingTests",
            ["HTTPServing", "HTTPWire", "Transport", "EventLoops", "Telemetry", "TestSupport"]),
        tests(
            "HTTPCallingTests",
            [
                "HTTPCalling", "HTTPServing", "HTTPWire", "Transport", "EventLoops", "Telemetry",
                "TestSupport",
            ]),
        tests("TelemetryTests", ["Telemetry", "JSONText"]),
        tests(
            "TelemetryExportTests",
            [
                "TelemetryExport", "HTTPServing", "HTTPWire", "Transport", "EventLoops", "Cryptography",
                "JSONText", "Settings", "Telemetry", "TestSupport",
            ]),
        tests("SettingsTests", ["Settings", "Cryptography"]),
        tests("LifecycleTests", ["Lifecycle", "EventLoops", "JSONText", "Telemetry", "TestSupport"]),
        tests("PostgresDriverTests", ["PostgresDriver", "EventLoops", "Telemetry", "TestSupport"]),
        tests(
            "StoreTests",
            ["Store", "PostgresDriver", "Domain", "Contract", "Cryptography", "EventLoops", "TestSupport"]),
        tests(
            "BackupTests",
            [
                "Backup", "Store", "PostgresDriver", "Cryptography", "Domain", "EventLoops", "Telemetry",
                "TestSupport",
            ]),
        tests(
            "OperationsTests",
            [
                "Operations", "Store", "Contract", "PostgresDriver", "Domain", "Cryptography", "JSONText",
                "EventLoops",
                "Telemetry",
                "TestSupport",
            ]),
        tests(
            "PublishingTests",
            [
                "Publishing", "API", "Ingest", "Store", "PostgresDriver", "Feed", "Metering", "LocalStore",
                "Policy", "HTTPServing", "HTTPCalling", "HTTPWire", "Transport", "Contract", "Cryptography",
                "Domain", "JSONText", "EventLoops", "Telemetry", "TestSupport",
            ]),
        tests(
            "IngestTests",
            [
                "Ingest", "Store", "PostgresDriver", "Contract", "Cryptography", "Domain", "EventLoops",
                "Telemetry",
                "TestSupport",
            ]),
        tests("OpenIDTests", ["OpenID", "Cryptography", "JSONText", "TestSupport"]),
        tests(
            "MailTests",
            [
                "Mail", "SMTP", "Store", "PostgresDriver", "Transport", "Cryptography", "Domain",
                "EventLoops",
                "Telemetry", "TestSupport",
            ]),
        tests(
            "APITests",
            [
                "OpenID", "API", "Operations", "Publishing", "Ingest", "Store", "PostgresDriver",
                "HTTPServing",
                "HTTPCalling",
                "HTTPWire", "Transport", "EventLoops", "Cryptography", "Contract", "Domain", "JSONText",
                "Telemetry",
                "TestSupport",
            ]),
        tests(
            "ControlServerTests",
            [
                "ControlServer", "Operations", "Store", "PostgresDriver", "HTTPCalling", "HTTPWire",
                "Transport",
                "EventLoops", "Cryptography", "Domain", "JSONText", "Settings", "Telemetry", "Lifecycle",
                "TestSupport",
            ]),
        tests(
            "CommandLineTests",
            [
                "CommandLineTool", "HTTPCalling", "HTTPServing", "HTTPWire", "Transport", "EventLoops",
                "JSONText", "TestSupport",
            ]),
        tests(
            "LocalStoreTests",
            ["LocalStore", "Contract", "Cryptography", "Domain", "EventLoops", "TestSupport"]),
        tests(
            "FeedTests",
            [
                "Feed", "LocalStore", "Policy", "Contract", "Cryptography", "Domain", "JSONText",
                "HTTPCalling",
                "HTTPServing", "HTTPWire", "Transport", "EventLoops", "Telemetry", "TestSupport",
            ]),
        tests(
            "GrantsTests",
            [
                "Grants", "LocalStore", "Policy", "Contract", "Cryptography", "Domain", "EventLoops",
                "Telemetry", "TestSupport",
            ]),
        tests(
            "AdmissionTests", ["Admission", "Policy", "Contract", "Cryptography", "Domain", "TestSupport"]),
        tests("RoutingTests", ["Routing", "Policy", "Contract", "Domain", "TestSupport"]),
        tests("DialectsTests", ["Dialects", "Cryptography", "Domain", "JSONText", "HTTPWire"]),
        tests(
            "GuardingTests",
            [
                "Guarding", "Dialects", "Policy", "Patterns", "Contract", "Domain", "JSONText", "TestSupport",
            ]),
        tests(
            "MeteringTests",
            [
                "Metering", "LocalStore", "Contract", "Cryptography", "Domain", "HTTPCalling", "HTTPServing",
                "HTTPWire",
                "Transport", "EventLoops", "Telemetry", "TestSupport",
            ]),
        tests(
            "RelayTests",
            [
                "Relay", "Admission", "Grants", "Routing", "Dialects", "Metering", "Feed", "LocalStore",
                "HTTPServing",
                "HTTPCalling", "HTTPWire", "Transport", "EventLoops", "Cryptography", "Contract", "Policy",
                "Domain", "JSONText", "Telemetry", "StandInProvider", "TestSupport",
            ]),
        tests(
            "StandInProviderTests",
            [
                "StandInProvider", "HTTPCalling", "HTTPWire", "Transport", "EventLoops", "JSONText",
                "TestSupport",
            ]),
        tests("Contracts", ["GatewayServer", "StandInProvider", "Domain", "Settings", "TestSupport"]),
        tests("Tidy", []),
    ]
)

// Fuzz targets need libFuzzer, so they exist only for Tests/Fuzz/run.
if Context.environment["ECLUSA_FUZZ"] == "1" {
    func fuzz(_ name: String, _ arrows: [Target.Dependency]) -> Target {
        // As a library: the target defines the entry point itself and hands it to libFuzzer.
        .executableTarget(
            name: "Fuzz\(name)", dependencies: arrows + ["CFuzzDriver"], path: "Tests/Fuzz/\(name)",
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])])
    }
    package.targets += [
        c("CFuzzDriver", "Tests/Fuzz/Driver"), fuzz("HTTP", ["HTTPWire"]), fuzz("JSON", ["JSONText"]),
        fuzz("Dialects", ["Dialects", "JSONText"]),
    ]
}
