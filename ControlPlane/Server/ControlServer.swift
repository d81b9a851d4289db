@main enum ControlServerMain {
    static func main() {}
}
