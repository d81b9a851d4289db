/// Running everything on this machine.
enum UpCommands {
    static let stateOption = Command.Option(
        name: "state-directory", value: "DIR", help: "where its data is kept, default .eclusa")

    static let all = [
        Command(
            words: ["up"], summary: "Start everything on this machine; Ctrl-C stops it",
            options: [
                stateOption,
                .init(
                    name: "port-offset", value: "N",
                    help: "add N to every port (7070, 7071, 8080, 8081, 9100)"),
                .init(
                    name: "gateway-loops", value: "N", help: "loops of the gateway, default one a core"),
            ]
        ) { invocation, context in
            try await UpCommand(invocation: invocation, context: context).run()
        },
        Command(words: ["down"], summary: "Stop what `eclusa up` started here", options: [stateOption]) {
            invocation, context in
            try await DownCommand(invocation: invocation, context: context).down()
        },
        Command(
            words: ["reset"], summary: "Stop, and delete all data of `eclusa up` here",
            options: [stateOption, .init(name: "yes", help: "do not ask")]
        ) { invocation, context in
            try await DownCommand(invocation: invocation, context: context).reset()
        },
    ]
}
