import Cryptography
import Domain
import HTTPServing
import HTTPWire
import JSONText
import Operations

/// What a writing request says beside its path and body: `If-Match`, `Idempotency-Key` and `?dry_run`.
struct Terms {
    static let dryRun = Field<Bool>.defaulted(
        "dry_run", .flag, to: false,
        "Do everything but keep nothing: the answer is what it would be, without usable secrets.")
    static let maximumKeyBytes = 255

    let condition: EntityTagCondition?
    let key: String?

    /// Reads the fields; before the body is read, which may move them.
    init(_ route: AdminRoute, _ exchange: Exchange) throws(OperationError) {
        var problems: [ValidationError] = []
        condition = exchange.joinedFieldText("if-match").flatMap { text in
            let condition = EntityTagCondition(text)
            if condition == nil {
                problems.append(
                    ValidationError(
                        "If-Match", .invalidFormat, "must be * or entity tags such as \"abc\", as read"))
            }
            return condition
        }
        key = route.method == .post && route.takesTerms ? exchange.joinedFieldText("idempotency-key") : nil
        if let key,
            !(1...Self.maximumKeyBytes).contains(key.utf8.count) || !key.utf8.allSatisfy(Self.isVisible)
        {
            problems.append(
                ValidationError(
                    "Idempotency-Key", .invalidFormat,
                    "must be 1 to \(Self.maximumKeyBytes) visible ASCII characters"))
        }
        guard problems.isEmpty else { throw .invalid(problems) }
    }

    private static func isVisible(_ byte: UInt8) -> Bool { (0x21...0x7e).contains(byte) }

    /// Everything that makes it this request and no other: another one under the same key is a mistake.
    static func digest(_ exchange: Exchange, body: [UInt8]) -> SHA256Digest {
        var bytes = Array(exchange.method.description.utf8) + [0x20]
        bytes += exchange.rawTarget
        bytes += [0x0a]
        return sha256(bytes + body)
    }

    /// What has to be locked while the condition is looked at and the change made: the last thing the path
    /// names, or who is calling.
    static func lock(
        _ route: AdminRoute, _ parameters: RouteParameters, by caller: Caller
    ) -> RequestTerms.Lock {
        guard let last = route.pathParameters.last, let id = thing(last, parameters) else {
            if route.path.hasPrefix("/api/v1/me"), let user = caller.user {
                return .thing(
                    prefix: PathParameter.user.prefix, high: user.high, low: user.low, owner: nil)
            }
            return .name(route.path)
        }
        let owner = parameters[PathParameter.tenant.name].flatMap { TenantID($0) }
        return .thing(prefix: last.prefix, high: id.high, low: id.low, owner: owner)
    }

    /// The parts of the ID a path parameter spells, whatever noun it is of.
    static func thing(
        _ parameter: PathParameter, _ parameters: RouteParameters
    ) -> (high: UInt64, low: UInt64)? {
        let prefix = "\(parameter.prefix)_"
        guard let text = parameters[parameter.name], text.hasPrefix(prefix),
            let id = ID<Tenant>("tenant_\(text.dropFirst(prefix.count))")
        else { return nil }
        return (id.high, id.low)
    }
}
