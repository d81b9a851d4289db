@main enum GatewayServerMain {
    static func main() {}
}
