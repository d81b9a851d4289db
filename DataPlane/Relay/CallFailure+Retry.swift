import Domain

/// What a failure before the first byte means for further attempts.
enum Remedy {
    /// The same request would fail anywhere, or nobody waits any more.
    case none
    /// Another target may do better; the same one will not at once.
    case otherTarget
    /// The failure passes: the same target too, after a pause.
    case anyTarget
    /// The credential was at fault, not the target.
    case otherCredential
}

extension CallFailure {
    var remedy: Remedy {
        switch self.code {
        case .upstreamUnreachable, .overloaded: .anyTarget
        case .upstreamTimeout, .upstreamCut, .upstreamInvalid, .upstreamForbidden: .otherTarget
        case .providerCredentialsRejected: .otherCredential
        case .providerRateLimited: self.isQuota ? .otherCredential : .otherTarget
        case .providerError:
            switch self.status {
            case 503, 529: .anyTarget
            case 500...: .otherTarget
            default: .none
            }
        default: .none
        }
    }

    /// Whether the target is to blame. An answer, even a refusal, shows that it is alive.
    var blamesTarget: Bool {
        switch remedy {
        case .otherTarget, .anyTarget: true
        case .none, .otherCredential: false
        }
    }

    /// How long the provider wants to be left alone. Unit: nanoseconds; nil when it does not say.
    var restNanoseconds: Int64? {
        if let text = self.retryAfterMilliseconds, let milliseconds = Double(text) {
            return Int64(min(milliseconds, 86_400_000) * 1_000_000)
        }
        guard let text = self.retryAfter, let seconds = Double(text) else { return nil }
        return Int64(min(seconds, 86_400) * 1_000_000_000)
    }
}
