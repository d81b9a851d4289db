// Calls that nodes refused: which, why, and some of them one by one.

import { get } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { listen } from "../core/events.js";
import { badge, card, emptyState, failure, figure, loading, nameOf, pageHead, table } from "../core/parts.js";
import { lookup } from "../core/session.js";
import { t, whole } from "../core/words.js";

const hour = 3_600_000;
const spans = { "1h": hour, "24h": 24 * hour, "7d": 168 * hour };
const titleOf = (thing) => thing.display_name || thing.name;

export async function refusalsPage({ tenant }) {
    const base = `/tenants/${tenant}`;
    const chosen = { span: "24h", ...Object.fromEntries(new URLSearchParams(location.search)) };
    if (!(chosen.span in spans)) chosen.span = "24h";
    const place = h("div", {}, loading("20rem"));
    const keep = (name, value) => {
        chosen[name] = value;
        const url = new URL(location.href);
        if (value) url.searchParams.set(name, value);
        else url.searchParams.delete(name);
        history.replaceState(null, "", url);
        read();
    };
    const field = (name, input) => {
        input.id = `refusals-${name}`;
        input.name = name;
        input.value = chosen[name] ?? "";
        input.addEventListener("change", () => keep(name, input.value.trim()));
        return h("div", { class: "field" }, h("label", { htmlFor: input.id }, t(name === "span" ? "usage.span" : `field.${name}`)), input);
    };
    const select = (name, options) => field(name, h("select", {}, options.map(([value, text]) => h("option", { value }, text))));
    const only = async (name, path) => select(name, [["", t("common.all")],
        ...[...(await lookup(`${base}/${path}`)).values()].map((one) => [one.id, titleOf(one)])]);
    const filters = h("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
        select("span", Object.keys(spans).map((name) => [name, t(`usage.span.${name}`)])),
        await Promise.all([only("workspace", "workspaces"), only("key", "keys")]),
        field("code", h("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "budget_exceeded" })));

    let turn = 0;
    async function read() {
        turn += 1;
        const mine = turn;
        try {
            const { span, workspace, key, code } = chosen;
            const from = new Date(Date.now() - spans[span]).toISOString();
            const found = await get(`${base}/refusals`, { from, workspace, key, code });
            if (mine === turn) fill(place, report(base, found));
        } catch (problem) {
            if (mine === turn) fill(place, failure(problem, read));
        }
    }
    read();
    const stop = listen((kind) => {
        if (!place.isConnected) return void stop();
        if (kind === "again") read();
    });
    return h("div", {}, pageHead({
        title: t("refusals.title"), about: t("refusals.about"),
        buttons: [h("button", { type: "button", onclick: read }, t("refusals.again"))],
    }), filters, place);
}

function report(base, { data, samples, total, truncated }) {
    if (total === 0) return emptyState({ title: t("refusals.empty"), text: t("refusals.emptyText") });
    const ofKey = { name: "key", show: (row) => nameOf(row.key, `${base}/keys`, titleOf) };
    const ofWorkspace = { name: "workspace", isWide: true, show: (row) => nameOf(row.workspace, `${base}/workspaces`, titleOf) };
    const reason = { name: "code", label: "refusals.reason", kind: "code" };
    return [
        h("div", { class: "figures" }, figure(t("refusals.title"), whole(total)),
            figure(t("refusals.reasons"), whole(new Set(data.map((line) => line.code)).size)),
            figure(t("refusals.keys"), whole(new Set(data.map((line) => line.key)).size))),
        card(t("refusals.byReason"), table({
            caption: t("refusals.byReason"), rows: data,
            columns: [reason, ofKey, ofWorkspace, { name: "calls", kind: "number", isNumber: true },
                { name: "first_at", kind: "ago", isWide: true }, { name: "last_at", kind: "ago" }],
        }), truncated && h("p", { class: "hint" }, t("usage.truncated"))),
        samples.length > 0 && card(t("refusals.samples"), h("p", { class: "about" }, t("refusals.samplesAbout")), table({
            caption: t("refusals.samples"), rows: samples,
            columns: [{ name: "at", kind: "ago" }, reason, { name: "status", label: "usage.status", show: (row) => badge(String(row.status)) }, ofKey,
                { name: "request_id", kind: "code", isWide: true }, { name: "node", kind: "code", isWide: true }],
        })),
    ];
}
