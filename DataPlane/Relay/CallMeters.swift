import Contract
import Domain
import Guarding
package import Telemetry

/// One loop's part of the gateway's metrics. Loop thread; an increment is a few nanoseconds.
package final class CallMeters {
    private let ended: [CounterCell]
    private let refused: MetricCellCache<CounterCell>
    private let inputTokens: CounterCell
    private let outputTokens: CounterCell
    private let cost: CounterCell
    private let attempts: CounterCell
    private let duration: HistogramCell
    private let firstByte: HistogramCell
    private let answered: MetricCellCache<CounterCell>
    private let answeredOK: CounterCell
    private let providerCalls: Counter
    private let passedRequests: CounterCell
    private let passedAnswers: CounterCell
    private var byProvider: [ProviderID: [CounterCell]] = [:]
    let inFlight: GaugeCell
    /// Second targets that were asked as well.
    let hedges: CounterCell
    private let mirrored: MetricCellCache<CounterCell>
    private let guarded: Counter
    private let lookups: MetricCellCache<CounterCell>
    private let openStreams: GaugeCell

    /// Upper ends in microseconds: from an answer out of a cache to a model that thinks for minutes.
    private static let bounds: [Int64] = [
        500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
        5_000_000, 10_000_000, 30_000_000, 60_000_000, 300_000_000,
    ]

    package init(_ registry: MetricsRegistry) {
        let calls = registry.counter(
            "eclusa_calls_total", help: "Calls that reached a provider, by how they ended.",
            labels: ["endpoint", "ending"])
        ended = UsageEvent.Ending.allCases.map { calls.cell("chat", $0.name) }
        refused = registry.counter(
            "eclusa_refusals_total", help: "Calls refused before any provider was asked, by error code.",
            labels: ["code"]
        ).cellsOfThisThread()
        let tokens = registry.counter(
            "eclusa_call_tokens_total", help: "Tokens of calls, as billed.", labels: ["direction"])
        inputTokens = tokens.cell("input")
        outputTokens = tokens.cell("output")
        cost = registry.counter("eclusa_call_cost_nanousd_total", help: "What calls cost, in nano-USD.")
            .cell()
        attempts = registry.counter(
            "eclusa_upstream_attempts_total", help: "Requests made to providers."
        ).cell()
        duration = registry.histogram(
            "eclusa_call_duration_seconds", help: "From the request to the answer's last byte.",
            bounds: Self.bounds, scale: 0.000001
        ).cell()
        firstByte = registry.histogram(
            "eclusa_call_first_byte_seconds", help: "From the request to the answer's first byte.",
            bounds: Self.bounds, scale: 0.000001
        ).cell()
        hedges = registry.counter(
            "eclusa_hedges_total", help: "Second targets asked because the first had not answered in time."
        ).cell()
        mirrored = registry.counter(
            "eclusa_mirrored_calls_total", help: "Copies of calls to shadow targets, by what became of them.",
            labels: ["outcome"]
        ).cellsOfThisThread()
        lookups = registry.counter(
            "eclusa_answer_cache_lookups_total",
            help: "Calls of routes with a cache, by whether an answer of before was given.",
            labels: ["outcome"]
        ).cellsOfThisThread()
        guarded = registry.counter(
            "eclusa_guardrail_effects_total", help: "Calls that guardrails did something about, by kind.",
            labels: ["kind", "effect"])
        inFlight = registry.gauge("eclusa_calls_in_flight", help: "Calls being served.").cell()
        openStreams = registry.gauge(
            "eclusa_streams_open", help: "Calls being served that asked for a stream."
        ).cell()
        let answers = registry.counter(
            "eclusa_http_responses_total", help: "Answers to applications, by endpoint and status.",
            labels: ["endpoint", "status"])
        answered = answers.cellsOfThisThread()
        answeredOK = answers.cell("chat", "200")
        let passed = registry.counter(
            "eclusa_passthrough_bytes_total", help: "Content passed through to providers and back.",
            labels: ["direction"])
        passedRequests = passed.cell("request")
        passedAnswers = passed.cell("answer")
        providerCalls = registry.counter(
            "eclusa_provider_calls_total", help: "Calls that reached a provider, by provider and ending.",
            labels: ["provider", "ending"])
    }

    func noteBegin(isStream: Bool) { if isStream { openStreams.add(1) } }
    func noteEnd(isStream: Bool) { if isStream { openStreams.add(-1) } }

    func noteCache(_ outcome: String) { lookups[outcome].add() }

    func noteMirror(_ outcome: String) { mirrored[outcome].add() }

    /// What guardrails did in a call; most calls have none.
    func note(_ guards: CallGuards?) {
        guard let guards else { return }
        for (kind, effect) in guards.close() { noteGuardrail(kind, effect) }
    }

    func noteGuardrail(_ kind: String, _ effect: GuardrailMark.Effect) {
        guarded.cell(kind, effect.name).add()
    }

    func noteRefusal(_ code: ErrorCode, status: Int) {
        refused[code.code].add()
        answered["refused", String(status)].add()
    }

    func notePassed(request: Int, answer: Int) {
        passedRequests.add(Int64(request))
        passedAnswers.add(Int64(answer))
    }

    func note(_ event: UsageEvent) {
        // Endings are numbered from 1 without gaps.
        let ending = Int(event.ending.rawValue) - 1
        ended[ending].add()
        cells(of: event.provider)[ending].add()
        if event.status == 200 { answeredOK.add() } else { answered["chat", String(event.status)].add() }
        inputTokens.add(event.usage.input)
        outputTokens.add(event.usage.output)
        cost.add(event.cost.nanos)
        attempts.add(Int64(event.attempts))
        duration.observe(Int64(event.latencyMicroseconds))
        firstByte.observe(Int64(event.firstByteMicroseconds))
    }

    private func cells(of provider: ProviderID) -> [CounterCell] {
        if let cells = byProvider[provider] { return cells }
        // Providers come from configuration, but a busy one changes.
        if byProvider.count >= 256 { byProvider.removeAll() }
        let cells = UsageEvent.Ending.allCases.map { providerCalls.cell("\(provider)", $0.name) }
        byProvider[provider] = cells
        return cells
    }
}
