import Glibc

/// nginx as a plain reverse proxy to the stand-in, one worker: the figure ours is a ratio of.
struct Anchor {
    let port: UInt16
    let child: Child

    static func start(folder: String, upstream: UInt16, port: UInt16) throws -> Anchor {
        let configuration = """
            daemon off;
            master_process off;
            worker_processes 1;
            worker_rlimit_nofile 65536;
            pid \(folder)/nginx.pid;
            error_log \(folder)/nginx-error.log;
            events { worker_connections 32768; }
            http {
                access_log off;
                client_body_temp_path \(folder)/nginx-body;
                proxy_temp_path \(folder)/nginx-proxy;
                fastcgi_temp_path \(folder)/nginx-fastcgi;
                uwsgi_temp_path \(folder)/nginx-uwsgi;
                scgi_temp_path \(folder)/nginx-scgi;
                keepalive_requests 1000000000;
                client_body_buffer_size 64k;
                upstream provider {
                    server 127.0.0.1:\(upstream);
                    keepalive 256;
                    keepalive_requests 1000000000;
                }
                server {
                    listen 127.0.0.1:\(port);
                    proxy_http_version 1.1;
                    proxy_set_header Connection "";
                    location / { proxy_pass http://provider; }
                    location /refused/ { return 401 "{}"; }
                    location /streamed/ { proxy_pass http://provider/; proxy_buffering off; }
                }
            }

            """
        let path = "\(folder)/nginx.conf"
        try write(configuration, to: path)
        let program = access("/usr/sbin/nginx", X_OK) == 0 ? "/usr/sbin/nginx" : "nginx"
        return Anchor(
            port: port,
            child: try Child.start([program, "-c", path, "-p", folder], log: "\(folder)/nginx.log"))
    }
}

func write(_ text: String, to path: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw BenchFailure(text: "cannot write \(path)") }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard bytes.withUnsafeBytes({ Glibc.write(descriptor, $0.baseAddress, $0.count) }) == bytes.count else {
        throw BenchFailure(text: "cannot write \(path)")
    }
}

struct BenchFailure: Error { let text: String }

/// A process of the bench; ends with it.
struct Child {
    let pid: pid_t

    static func start(_ words: [String], log: String, environment: [String] = []) throws -> Child {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Some are stopped in a run. When the shell that began it all goes, the kernel hangs up on a process
        // group with a stopped member and wakes it: `eclusa up` would end everything under load.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let all = ["setpriv", "--pdeathsig", "TERM", "--"] + words
        var pid: pid_t = 0
        let path = String(cString: getenv("PATH") ?? strdup("/usr/sbin:/usr/bin:/bin"))
        let code = withCStrings(all) { argv in
            withCStrings(["PATH=\(path)"] + environment) { envp in
                posix_spawnp(&pid, all[0], &actions, &attributes, argv, envp)
            }
        }
        guard code == 0 else {
            throw BenchFailure(text: "cannot start \(words[0]): \(String(cString: strerror(code)))")
        }
        return Child(pid: pid)
    }

    /// Runs to the end; answers the exit code.
    static func run(_ words: [String], log: String, environment: [String] = []) throws -> Int32 {
        let child = try start(words, log: log, environment: environment)
        var status: Int32 = 0
        while waitpid(child.pid, &status, 0) < 0, errno == EINTR {}
        return (status >> 8) & 0xff
    }

    func stop(_ signal: Int32 = SIGTERM) {
        kill(pid, signal)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    }

    var isRunning: Bool {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) == 0
    }
}

func withCStrings<R>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
    let copies = strings.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    return body(copies + [nil])
}

func pause(milliseconds: Int32) { poll(nil, 0, milliseconds) }
