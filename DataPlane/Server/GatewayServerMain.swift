import Glibc

@main enum GatewayServerMain {
    // Closures written here would belong to the main actor, whose queue nobody runs: the main thread is the
    // loop's.
    static func main() { exit(GatewayProgram.run()) }
}
