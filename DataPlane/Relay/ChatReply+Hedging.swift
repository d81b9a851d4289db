import Contract
import Dialects
import Domain
import EventLoops
import Feed
import HTTPCalling
import HTTPServing
import Policy
import Routing
import Telemetry
import Transport

/// Several targets that are asked for one call: the first good answer counts. Loop thread.
final class Race {
    struct Runner {
        let reply: ChatReply
        let upstream: Upstream
        var result: ChatReply.Dialled?
        var isGone = false
    }

    private(set) var runners: [Runner] = []
    let pause: Pause
    private let gateway: Gateway

    init(_ gateway: Gateway) {
        self.gateway = gateway
        pause = Pause(gateway.loop)
    }

    /// Asks a target; what comes of it ends the pause.
    func start(_ reply: ChatReply, _ upstream: Upstream, _ call: ClientCall) {
        let place = runners.count
        runners.append(Runner(reply: reply, upstream: upstream))
        upstream.begin(at: gateway.loop.now)
        gateway.loop.spawn { [self] in
            let result = await reply.dial(call, upstream)
            upstream.end()
            runners[place].result = result
            if runners[place].isGone { gateway.giveBack(reply) } else { pause.end() }
        }
    }

    /// The place of the one that answers; nil: none does yet.
    var winner: Int? {
        runners.firstIndex { if case .answering? = $0.result { !$0.isGone } else { false } }
    }

    /// The client's end is the end of one that is still asking; the others hear of it from us.
    func link(to client: Connection) {
        let asking = runners.last { $0.result == nil && $0.reply.connection != nil }
        asking?.reply.connection?.abortWhenEnded(client)
    }

    var isOver: Bool { runners.allSatisfy { $0.result != nil } }

    /// Gives up all but one; those that may charge nevertheless are told.
    func leave(besides winner: Int?) -> [CompiledTarget] {
        var left: [CompiledTarget] = []
        for place in runners.indices where place != winner && !runners[place].isGone {
            let runner = runners[place]
            runners[place].isGone = true
            let isUnderWay = if case .failed? = runner.result { false } else { runner.reply.hasSent }
            if isUnderWay {
                left.append(runner.upstream.target)
                runner.upstream.state.breaker.abandon(at: gateway.loop.now)
                // It took longer than this: without it only the quick ones would be known.
                let asked = monotonicNanoseconds() - runner.reply.askedAt
                runner.upstream.state.firstBytes?.observe(nanoseconds: asked)
            }
            runner.reply.abandon()
            if runner.result != nil { gateway.giveBack(runner.reply) }
        }
        return left
    }
}

extension ChatReply {
    /// Asks a target, and another one as well when the first has not begun to answer after a while. The first
    /// good answer is passed on, the other target is left; `upstream` says whose it is.
    func raced(
        _ call: ClientCall, _ first: Upstream, _ turn: inout TargetTurn, in serving: ServingSnapshot,
        after delay: Int64
    ) async -> Attempt {
        let race = Race(gateway)
        self.race = race
        defer { self.race = nil }
        let due = gateway.loop.now + delay
        var isDue = false
        race.start(gateway.takeBesides(self), first, call)
        while true {
            if isClientGone || isCutShort {
                attempts = race.attempts(besides: attempts)
                leftTargets += race.leave(besides: nil)
                return .failed(.clientGone)
            }
            if let place = race.winner { return await passOn(place, of: race, call) }
            if race.isOver { return await over(race) }
            // Whoever is left must hear when the client hangs up.
            if let client = exchange?.connection { race.link(to: client) }
            if !isDue, gateway.loop.now >= due {
                isDue = true
                if let other = turn.besides(first, in: serving, gateway) {
                    gateway.meters.hedges.add()
                    race.start(gateway.takeBesides(self), other, call)
                    continue
                }
            }
            await race.pause.wait(nanoseconds: isDue ? 3_600_000_000_000 : max(1, due - gateway.loop.now))
        }
    }

    private func passOn(_ place: Int, of race: Race, _ call: ClientCall) async -> Attempt {
        attempts = race.attempts(besides: attempts)
        leftTargets += race.leave(besides: place)
        let (runner, upstream) = (race.runners[place].reply, race.runners[place].upstream)
        connection = runner.connection
        runner.connection = nil
        self.upstream = upstream
        askedAt = runner.askedAt
        credential = runner.credential
        canonical = runner.canonical
        embedding = runner.embedding
        dropped = runner.dropped
        if let client = exchange?.connection { connection?.abortWhenEnded(client) }
        let result = race.runners[place].result
        gateway.giveBack(runner)
        guard let result else { return .failed(CallFailure(.internalError)) }
        return await passOn(result, from: upstream, call)
    }

    /// None answered well: what the last of them said goes on as the failure of the attempt.
    private func over(_ race: Race) async -> Attempt {
        attempts = race.attempts(besides: attempts)
        var last = Attempt.failed(CallFailure(.internalError))
        for (place, runner) in race.runners.enumerated() {
            upstream = runner.upstream
            credential = runner.reply.credential
            switch runner.result {
            case .failed(let failure)?:
                last = .failed(failure)
                if place + 1 < race.runners.count {
                    runner.upstream.note(failure, credential: credential, at: gateway.loop.now)
                }
            case .unfit(let failure)?: last = .unfit(failure)
            case .answering?, nil: break
            }
        }
        _ = race.leave(besides: nil)
        return last
    }
}

extension Race {
    /// Requests made by all of them, and before.
    func attempts(besides before: UInt8) -> UInt8 {
        UInt8(clamping: runners.reduce(Int(before)) { $0 + Int($1.reply.attempts) })
    }
}

extension Gateway {
    /// A reply that asks one target for another one's call.
    func takeBesides(_ reply: ChatReply, isDetached: Bool = false) -> ChatReply {
        let other = spareReplies.popLast() ?? ChatReply(self)
        other.begin(besides: reply, isDetached: isDetached)
        return other
    }

    func giveBack(_ reply: ChatReply) {
        reply.end()
        if spareReplies.count < 256 { spareReplies.append(reply) }
    }
}
