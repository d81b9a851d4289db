import Glibc

/// One `eclusa up` a state directory: a locked file with the runner's process ID.
struct RunLock {
    private let descriptor: Int32
    private static let name = "up.lock"

    init(state: StateDirectory) throws(CommandFailure) {
        let path = state.file(Self.name)
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .cannotCreate("cannot open \(path): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            let runner = state.text(of: Self.name) ?? "?"
            throw .cannotCreate("Eclusa is running already (process \(runner)); 'make down' stops it")
        }
        ftruncate(descriptor, 0)
        let text = Array("\(getpid())\n".utf8)
        _ = text.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        self.descriptor = descriptor
    }

    func release() { close(descriptor) }

    /// The process that holds the lock of this state directory, or nil when none does.
    static func holder(in state: StateDirectory) -> pid_t? {
        let descriptor = open(state.file(name), O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return nil }
        return state.text(of: name).flatMap { pid_t($0) }
    }
}
