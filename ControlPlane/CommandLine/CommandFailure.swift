/// Why a command ended without doing its work: a text for a person, and an exit code for a script
/// (sysexits.h).
enum CommandFailure: Error, Equatable {
    /// Wrong words on the command line: exit 64.
    case usage(String)
    /// The control plane, or something else that was called, does not answer: exit 69.
    case unavailable(String)
    /// A defect, or a program that broke: exit 70.
    case software(String)
    /// A file, folder or port cannot be made: exit 73.
    case cannotCreate(String)
    /// Nobody is signed in, or the session ended: exit 77.
    case signedOut(String)
    /// A setting or an environment variable is wrong: exit 78.
    case configuration(String)
    /// The control plane refused the request: exit 1.
    case refused(String)

    var text: String {
        switch self {
        case .usage(let text), .unavailable(let text), .software(let text), .cannotCreate(let text),
            .signedOut(let text), .configuration(let text), .refused(let text):
            text
        }
    }

    var exitCode: Int32 {
        switch self {
        case .refused: 1
        case .usage: 64
        case .unavailable: 69
        case .software: 70
        case .cannotCreate: 73
        case .signedOut: 77
        case .configuration: 78
        }
    }
}
