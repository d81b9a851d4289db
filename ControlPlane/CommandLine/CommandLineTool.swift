@main enum CommandLineToolMain {
    static func main() {}
}
