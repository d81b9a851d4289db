import Glibc
import TestSupport
import Testing

@testable import CommandLineTool

/// What `eclusa up` keeps on disk, and the processes it starts.
@Suite("state and processes")
struct StateTests {
    let folder = TemporaryDirectory()

    @Test("files are private and replaced whole")
    func files() throws {
        let state = try StateDirectory(folder.path + "/deep/state")
        try state.write("one\n", to: "a")
        try state.write("two\n", to: "a")
        #expect(state.text(of: "a") == "two")
        #expect(state.exists("a") && !state.exists("b") && state.text(of: "b") == nil)
        #expect(folder.mode("deep/state") == 0o700)
        #expect(folder.mode("deep/state/a") == 0o600)
    }

    @Test("a folder that cannot be made is named")
    func blocked() throws {
        folder.replace("file", [1])
        #expect {
            try StateDirectory(folder.path + "/file/below")
        } throws: {
            ($0 as? CommandFailure)?.exitCode == 73
        }
    }

    @Test("deleting takes all below and leaves what links point to")
    func deleting() throws {
        let state = try StateDirectory(folder.path + "/state")
        folder.replace("kept", [1])
        try state.write("x", to: "a")
        _ = try state.folder("b")
        try state.write("x", to: "b/c")
        symlink(folder.path + "/kept", state.path + "/link")
        try StateDirectory.delete(state.path)
        try StateDirectory.delete(state.path)
        #expect(folder.names == ["kept"])
    }

    @Test("one runner a state directory; the lock names its holder")
    func lock() throws {
        let state = try StateDirectory(folder.path + "/state")
        #expect(RunLock.holder(in: state) == nil)
        let lock = try RunLock(state: state)
        #expect(RunLock.holder(in: state) == getpid())
        #expect {
            try RunLock(state: state)
        } throws: {
            ($0 as? CommandFailure)?.text.contains("running already (process \(getpid()))") == true
        }
        lock.release()
        #expect(RunLock.holder(in: state) == nil)
    }

    @Test("a session is kept and read back, and a damaged one is none")
    func sessions() throws {
        let session = Session(url: "http://127.0.0.1:1", accessToken: "a", refreshToken: "r")
        try session.write(folder.path + "/session.json")
        #expect(Session.read(folder.path + "/session.json") == session)
        folder.replace("session.json", Array("{".utf8))
        #expect(Session.read(folder.path + "/session.json") == nil)
        #expect(Session.read(folder.path + "/absent") == nil)
    }

    @Test("a program's output goes to its log, and its failure shows the end of it")
    func failingProgram() throws {
        let recipe = ChildProcess.Recipe(
            name: "sh", executable: "/bin/sh", arguments: ["-c", "echo told; exit 3"],
            environment: ["PATH": "/usr/bin:/bin"], logPath: folder.path + "/log")
        #expect {
            try ChildProcess.run(recipe)
        } throws: {
            ($0 as? CommandFailure)?.text.contains("told") == true
        }
    }

    @Test("a program is asked to stop by its own signal, and how it ended is known")
    func stopping() throws {
        var recipe = ChildProcess.Recipe(
            name: "sleep", executable: "/bin/sleep", arguments: ["60"],
            environment: ["PATH": "/usr/bin:/bin"],
            logPath: folder.path + "/log")
        recipe.workingDirectory = "/"
        let child = try ChildProcess.start(recipe)
        #expect(child.ended() == nil)
        child.ask(toStopWith: SIGKILL)
        var status: Int32 = 0
        #expect(waitpid(child.pid, &status, 0) == child.pid)
        #expect(ChildProcess.ending(of: status) == .signalled(SIGKILL))
        #expect(ChildProcess.ending(of: 3 << 8) == .exited(3))
    }

    @Test("ports move together, and a taken one is named with its part")
    func ports() throws {
        let ports = Ports(offset: 1000)
        #expect(ports.all.map(\.port) == [8070, 8071, 9080, 9081, 10_100])
        let (descriptor, port) = try #require(Self.listener())
        defer { close(descriptor) }
        #expect(!Ports.isFree(port))
        #expect {
            try Ports(offset: Int(port) - 8080).check()
        } throws: {
            guard let failure = $0 as? CommandFailure else { return false }
            return failure.exitCode == 73 && failure.text.contains("\(port), which the gateway listens on")
        }
    }

    @Test("two checkouts have two clusters, and a deep one a short socket folder")
    func clusters() throws {
        let near = try PrivateCluster(state: try StateDirectory(folder.path + "/a"))
        let other = try PrivateCluster(state: try StateDirectory(folder.path + "/b"))
        #expect(near.dataDirectory != other.dataDirectory)
        let deep = try PrivateCluster(
            state: try StateDirectory(folder.path + "/" + String(repeating: "d", count: 90)))
        #expect(deep.socketDirectory.utf8.count <= PrivateCluster.longestSocketFolder)
        #expect(near.databaseURL.hasPrefix("postgresql://eclusa@%2F"))
    }

    /// A listening socket on the gateway's port of an installation whose other ports are free. They lie below
    /// those the system deals out, so that no other test takes one meanwhile.
    static func listener() -> (Int32, UInt16)? {
        for port in UInt16(21_000)..<22_000
        where Ports(offset: Int(port) - 8080).all.allSatisfy({ Ports.isFree($0.port) }) {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            let isListening = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                        && listen(descriptor, 1) == 0
                }
            }
            if isListening { return (descriptor, port) }
            close(descriptor)
        }
        return nil
    }
}
