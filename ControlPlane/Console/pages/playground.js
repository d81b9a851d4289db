// Trying a route: a short-lived key, a real gateway, the answer as it streams, and what it cost.

import { post } from "../core/api.js";
import { confirmDanger, doing, notify, openDialog } from "../core/dialog.js";
import { h, fill } from "../core/dom.js";
import { controls } from "../core/controls.js";
import { card, description, emptyState, linkButton, nameOf, pageHead } from "../core/parts.js";
import { href } from "../core/router.js";
import { lookup, may, settings } from "../core/session.js";
import { label, money, t, whole } from "../core/words.js";
import { explanation } from "../nouns/calls.js";

const lifeMilliseconds = 300_000;

export async function playgroundPage({ tenant }) {
    const base = `/tenants/${tenant}`;
    const head = pageHead({ title: t("playground.title"), about: t("playground.about") });
    const gateway = settings().gateway_url;
    if (!gateway) return h("div", {}, head, emptyState({ title: t("playground.noGateway"), text: t("playground.noGatewayText") }));
    const [routes, workspaces] = await Promise.all([lookup(`${base}/routes`), lookup(`${base}/workspaces`)]);
    if (routes.size === 0) {
        return h("div", {}, head, emptyState({
            title: t("noun.routes.empty"), text: t("noun.routes.teach"), button: linkButton(`${base}/routes/new`, t("noun.routes.create"), { kind: "primary" }),
        }));
    }

    const field = (name, control, text) => h("div", { class: "field" }, h("label", { htmlFor: `try-${name}` }, text ?? label("field", name)), control.element);
    const route = controls.choice({ name: "route", required: true, values: [...routes.values()].map((one) => [one.name, one.name]) }, null, "try-route");
    const workspace = controls.choice({ name: "workspace", required: true, values: [...workspaces.values()].map((one) => [one.id, one.name]) }, null, "try-workspace");
    const ownKey = controls.secret({ name: "key", placeholder: "ek_…" }, "", "try-key");
    const system = controls.longText({ name: "system", rows: 3 }, "", "try-system");
    const limit = controls.number({ name: "max_tokens" }, "", "try-max_tokens");
    const temperature = controls.number({ name: "temperature" }, "", "try-temperature");
    const question = h("textarea", { id: "try-question", rows: 3, placeholder: t("playground.ask"), onkeydown: (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            form.requestSubmit();
        }
    } });
    const talk = h("div", { class: "talk", "aria-live": "polite" }, h("p", { class: "hint" }, t("playground.start")));
    const facts = h("div", {}, h("p", { class: "hint" }, t("playground.noFacts")));
    const send = h("button", { class: "primary" }, t("playground.send"));
    const stop = h("button", { type: "button", hidden: true, onclick: () => running?.abort() }, t("playground.stop"));
    const form = h("form", { onsubmit: (event) => {
        event.preventDefault();
        ask();
    } }, h("div", { class: "field" }, h("label", { htmlFor: "try-question" }, t("playground.question")), question),
    h("div", { class: "buttons" }, send, stop, h("button", { type: "button", class: "quiet", onclick: clear }, t("playground.clear"))));

    let turns = [];
    let running = null;
    let key = null;

    async function clear() {
        if (turns.length > 0 && !await confirmDanger({ title: t("playground.clear"), text: t("playground.clearText"), action: t("playground.clear") })) return;
        running?.abort();
        turns = [];
        fill(talk, h("p", { class: "hint" }, t("playground.start")));
    }

    /// The key that was typed, or the page's: of five minutes, for chat alone, made when it is first needed and again
    /// when it ran out. `name` is what explanations know it by: never the secret.
    async function keyOf(space) {
        const typed = ownKey.read();
        if (typed) return { secret: typed, name: typed.slice(0, 19) };
        if (key && key.workspace === space && key.until > Date.now() + 20_000) return key;
        const until = Date.now() + lifeMilliseconds;
        const answer = await post(`${base}/keys`, {
            workspace: space, name: "Playground", kind: "playground", endpoints: ["chat", "models"], expires_at: new Date(until).toISOString(),
        });
        key = { secret: answer.secret, name: answer.key.id, workspace: space, until };
        return key;
    }

    async function ask() {
        const text = question.value.trim();
        if (text === "" || running) return;
        if (turns.length === 0) fill(talk);
        turns.push({ role: "user", content: text });
        talk.append(h("div", { class: "turn user" }, text));
        question.value = "";
        const answer = h("div", { class: "turn assistant", "aria-busy": "true" });
        talk.append(answer);
        running = new AbortController();
        send.disabled = true;
        stop.hidden = false;
        const began = performance.now();
        const known = { route: route.read() };
        try {
            const messages = [...(system.read() ? [{ role: "system", content: system.read() }] : []), ...turns];
            const chosen = await keyOf(workspace.read());
            known.key = chosen.name;
            const content = await stream(chosen.secret, messages, answer, known);
            turns.push({ role: "assistant", content });
        } catch (error) {
            turns.pop();
            if (error.name === "AbortError") answer.append(` ${t("playground.stopped")}`);
            else {
                answer.classList.add("failed");
                fill(answer, error.message || t("playground.failed"));
                question.value = text;
            }
        }
        answer.removeAttribute("aria-busy");
        running = null;
        send.disabled = false;
        stop.hidden = true;
        known.total = performance.now() - began;
        tell(known);
        question.focus();
    }

    /// A new key takes a moment to reach the nodes: a refusal right after it was made is tried again.
    async function call(secret, body) {
        for (let attempt = 0; ; attempt += 1) {
            const answer = await fetch(`${gateway}/v1/chat/completions`, {
                method: "POST", signal: running.signal, body, headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
            });
            if (answer.status !== 401 || attempt >= 10) return answer;
            await new Promise((resolve) => { setTimeout(resolve, 300); });
        }
    }

    async function stream(secret, messages, element, known) {
        const body = { model: route.read(), messages, stream: true, stream_options: { include_usage: true } };
        if (limit.read() !== null) body.max_tokens = limit.read();
        if (temperature.read() !== null) body.temperature = temperature.read();
        const began = performance.now();
        const answer = await call(secret, JSON.stringify(body));
        for (const name of ["route", "model", "provider", "attempts", "cost"]) {
            known[`eclusa_${name}`] = answer.headers.get(`x-eclusa-${name}`);
        }
        known.request_id = answer.headers.get("x-request-id");
        if (!answer.ok) {
            const problem = await answer.json().catch(() => null);
            throw new Error(problem?.error?.message ?? `HTTP ${answer.status}`);
        }
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        let content = "";
        for (;;) {
            const { value, done } = await reader.read();
            if (done) break;
            const events = (rest + value).split("\n\n");
            rest = events.pop();
            for (const event of events) {
                const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
                if (data === "" || data === "[DONE]") continue;
                const part = JSON.parse(data);
                if (part.error) throw new Error(part.error.message);
                const text = part.choices?.[0]?.delta?.content ?? "";
                if (text) known.first ??= performance.now() - began;
                content += text;
                element.append(text);
                known.model = part.model ?? known.model;
                known.usage = part.usage ?? known.usage;
                // In a stream the cost comes with its end; the fields are long gone.
                known.eclusa_cost = part.x_eclusa?.cost ?? known.eclusa_cost;
                known.finish_reason = part.choices?.[0]?.finish_reason ?? known.finish_reason;
            }
        }
        return content;
    }

    function tell(known) {
        const usage = known.usage;
        fill(facts, description([
            { name: "route" }, { name: "model", show: () => known.eclusa_model ?? known.model ?? "—" },
            ...(known.eclusa_provider ? [{ name: "provider", show: () => nameOf(known.eclusa_provider, `${base}/providers`, (one) => one.name) }] : []),
            ...(known.eclusa_attempts ? [{ name: "attempts", show: () => known.eclusa_attempts }] : []),
            ...(known.eclusa_cost ? [{ name: "cost", show: () => money(known.eclusa_cost) }] : []),
            { name: "first", label: "playground.first", show: () => (known.first ? `${whole(known.first)} ms` : "—") },
            { name: "total", label: "playground.total", show: () => `${whole(known.total)} ms` },
            { name: "input_tokens", show: () => (usage ? whole(usage.prompt_tokens) : "—") },
            { name: "output_tokens", show: () => (usage ? whole(usage.completion_tokens) : "—") },
            { name: "finish_reason" }, { name: "request_id", kind: "code" },
        ], known), known.key && may("routes:read", tenant) && explained(known),
        h("p", {}, h("a", { href: href(`${base}/usage`) }, t("playground.toUsage"))));
    }

    /// Why the call went where it went, by the code that decides it at the nodes.
    function explained(known) {
        const body = {
            key: known.key, model: known.route,
            ...(known.usage ? { input_tokens: known.usage.prompt_tokens } : {}), ...(limit.read() !== null ? { maximum_output: limit.read() } : {}),
        };
        const show = async () => {
            const found = await post(`${base}/explain`, body);
            openDialog(t("action.explain"), () => explanation(found), { isWide: true });
        };
        return h("button", { type: "button", onclick: (event) => doing(event.currentTarget, show) }, t("action.explain"));
    }

    if (workspaces.size === 0) notify(t("noun.workspaces.teach"), "bad");
    return h("div", {}, head, h("div", { class: "playground" },
        h("div", {}, h("section", { class: "card" }, talk), h("section", { class: "card" }, form)),
        h("div", {}, card(t("playground.settings"), field("route", route), field("workspace", workspace), field("key", ownKey, t("playground.key")),
            h("p", { class: "hint" }, t("playground.keyHint")), field("system", system, t("playground.system")),
            field("max_tokens", limit, t("playground.limit")), field("temperature", temperature, t("playground.temperature"))), card(t("playground.facts"), facts))));
}
