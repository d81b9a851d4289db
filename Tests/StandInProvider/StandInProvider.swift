@main enum StandInProviderMain {
    static func main() {}
}
