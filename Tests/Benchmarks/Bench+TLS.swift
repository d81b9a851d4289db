import Glibc

extension Bench {
    /// The load speaks no TLS: an nginx on the load's core takes its calls to the proxies over TLS, and
    /// another server of it stands before the provider. Only the CPU time of the proxy in the middle counts.
    func measureTLS(_ eclusa: inout Installation, _ engine: LoadEngine) throws {
        let folder = eclusa.folder
        try makeCertificate(in: folder)
        let secure = SecurePorts(
            provider: eclusa.standInPort, plainProvider: eclusa.standInPort + 1,
            gateway: eclusa.gatewayPort, anchor: eclusa.gatewayPort + 11, toGateway: eclusa.gatewayPort + 12,
            toAnchor: eclusa.gatewayPort + 13)
        try engine.listen(on: secure.plainProvider)
        try compareSecurely(&eclusa, secure, engine)
        try engine.listen(on: secure.provider)
        try moveProvider(of: eclusa, to: "http://127.0.0.1:\(secure.provider)/v1")
        try eclusa.restartGateway(adding: [])
    }

    private func compareSecurely(
        _ eclusa: inout Installation, _ secure: SecurePorts, _ engine: LoadEngine
    ) throws {
        let folder = eclusa.folder
        let edge = try Self.nginx("edge", secure.edge(folder), folder)
        defer { edge.stop() }
        let middle = try Self.nginx("middle", secure.middle(folder), folder)
        defer { middle.stop() }
        try ProcessMeter(pid: edge.pid).pin(toCore: 1)
        try ProcessMeter(pid: middle.pid).pin(toCore: 0)
        try moveProvider(of: eclusa, to: "https://127.0.0.1:\(secure.provider)/v1")
        try eclusa.restartGateway(adding: [
            "--tls-certificate", "\(folder)/certificate.pem", "--tls-key-file", "\(folder)/key.pem",
            "--upstream-trust", "\(folder)/certificate.pem",
        ])
        let request = Self.request(path: "", key: eclusa.key, isStream: false)
        try compare(
            "TLS both sides",
            Contender(name: "eclusa", meter: eclusa.gateway, port: secure.toGateway, request: request),
            Contender(
                name: "nginx", meter: ProcessMeter(pid: middle.pid), port: secure.toAnchor, request: request),
            engine)
    }

    private func moveProvider(of eclusa: Installation, to url: String) throws {
        try eclusa.awake { try eclusa.command(["providers", "update", "stand-in", "--base-url", url]) }
    }

    private func makeCertificate(in folder: String) throws {
        let code = try Child.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", "\(folder)/key.pem", "-out", "\(folder)/certificate.pem", "-days", "2", "-subj",
                "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1",
            ], log: "\(folder)/openssl.log")
        guard code == 0 else {
            throw BenchFailure(text: "openssl: \(ProcessMeter.read("\(folder)/openssl.log") ?? "")")
        }
    }

    static func nginx(
        _ name: String, _ servers: String, _ folder: String, modules: String = ""
    ) throws -> Child {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
            "\($0)_temp_path \(folder)/\(name)-\($0);"
        }
        let configuration = """
            \(modules)
            daemon off;
            master_process off;
            worker_processes 1;
            pid \(folder)/\(name).pid;
            error_log \(folder)/\(name)-error.log;
            events { worker_connections 4096; }
            http {
                access_log off;
                \(temporary.joined(separator: " "))
                keepalive_requests 1000000000;
                client_body_buffer_size 64k;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                ssl_session_cache shared:TLS:10m;
                \(servers)
            }

            """
        let path = "\(folder)/\(name).conf"
        try write(configuration, to: path)
        let program = access("/usr/sbin/nginx", X_OK) == 0 ? "/usr/sbin/nginx" : "nginx"
        return try Child.start([program, "-c", path, "-p", folder], log: "\(folder)/\(name).log")
    }
}

/// Who listens where while TLS is measured.
private struct SecurePorts {
    /// TLS in front of the provider.
    let provider: UInt16
    let plainProvider: UInt16
    let gateway: UInt16
    let anchor: UInt16
    /// Plain, for the load.
    let toGateway: UInt16
    let toAnchor: UInt16

    /// On the load's core.
    func edge(_ folder: String) -> String {
        upstream("provider", plainProvider) + upstream("gateway", gateway) + upstream("anchor", anchor)
            + "server { listen 127.0.0.1:\(provider) ssl; \(certificate(folder)) "
            + "location / { proxy_pass http://provider; } } "
            + "server { listen 127.0.0.1:\(toGateway); location / { proxy_pass https://gateway; } } "
            + "server { listen 127.0.0.1:\(toAnchor); location / { proxy_pass https://anchor; } }"
    }

    /// The anchor itself.
    func middle(_ folder: String) -> String {
        upstream("provider", provider)
            + "server { listen 127.0.0.1:\(anchor) ssl; \(certificate(folder)) "
            + "location / { proxy_pass https://provider; } }"
    }

    private func upstream(_ name: String, _ port: UInt16) -> String {
        "upstream \(name) { server 127.0.0.1:\(port); keepalive 256; keepalive_requests 1000000000; } "
    }

    private func certificate(_ folder: String) -> String {
        "ssl_certificate \(folder)/certificate.pem; ssl_certificate_key \(folder)/key.pem;"
    }
}
