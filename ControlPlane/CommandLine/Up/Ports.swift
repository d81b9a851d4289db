import Glibc

/// The loopback addresses of `eclusa up`; `--port-offset` moves all of them.
struct Ports {
    let admin: UInt16
    let node: UInt16
    let gateway: UInt16
    let operations: UInt16
    let standIn: UInt16

    static let largestOffset = 50_000

    init(offset: Int = 0) {
        func port(_ base: Int) -> UInt16 { UInt16(clamping: base + offset) }
        (admin, node) = (port(7070), port(7071))
        (gateway, operations) = (port(8080), port(8081))
        standIn = port(9100)
    }

    /// Every address with the part that listens on it.
    var all: [(part: String, port: UInt16)] {
        [
            ("the admin API", admin), ("the node listener", node), ("the gateway", gateway),
            ("the gateway's operations listener", operations), ("the stand-in provider", standIn),
        ]
    }

    /// Refuses, before anything is started, when a port is taken.
    func check() throws(CommandFailure) {
        for (part, port) in all where !Self.isFree(port) {
            throw .cannotCreate(
                "port \(port), which \(part) listens on, is in use. Stop what uses it "
                    + "(`ss -ltnp 'sport = :\(port)'` shows it), or move all ports: "
                    + "make up ARGS=\"--port-offset 1000\""
            )
        }
    }

    static func isFree(_ port: UInt16) -> Bool {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return true }
        defer { close(fd) }
        var one: Int32 = 1
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
