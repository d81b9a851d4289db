// The log of single calls.

import { get, request } from "../core/api.js";
import { confirmDanger, doing, notify, openDialog } from "../core/dialog.js";
import { h, fill } from "../core/dom.js";
import { badge, code, description, exportButtons, moment, nameOf } from "../core/parts.js";
import { refresh } from "../core/router.js";
import { lookup, may } from "../core/session.js";
import { bytes, label, money, t, whole } from "../core/words.js";

const under = (context) => `/tenants/${context.tenant}`;
const paths = { key: "keys", route: "routes", model: "models", provider: "providers", workspace: "workspaces" };
const titleOf = (thing) => thing.display_name || thing.name;
const named = (name) => ({ name, show: (row, context) => nameOf(row[name], `${under(context)}/${paths[name]}`, titleOf) });

const outcome = {
    name: "outcome", show: (row) => h("span", {}, badge(row.error_code || row.status >= 400 ? "failed" : "answered"),
        row.error_code && [" ", code(row.error_code)]),
};

const details = [
    { name: "started_at", kind: "time" }, outcome, { name: "status", kind: "number" }, { name: "ending", show: (row) => label("ending", row.ending) },
    named("route"), named("model"), named("provider"), named("key"), named("workspace"), { name: "endpoint", kind: "badge", words: "endpoint" },
    { name: "streamed", kind: "flag" }, { name: "attempts", kind: "number" },
    { name: "latency_ms", show: (row) => `${whole(row.latency_ms)} ms` }, { name: "first_byte_ms", show: (row) => `${whole(row.first_byte_ms)} ms` },
    { name: "input_tokens", kind: "number" }, { name: "cached_input_tokens", kind: "number" }, { name: "output_tokens", kind: "number" },
    { name: "cost", show: (row) => h("span", {}, money(row.cost), " ", row.cost_state !== "settled" && badge(row.cost_state)) },
    { name: "from_cache", kind: "flag" },
    {
        name: "guardrails", label: "noun.guardrails.many", show: (row, context) => (row.guardrails.length === 0 ? "—" : h("span", { class: "tags" },
            row.guardrails.map((one) => h("span", { class: "tag" }, nameOf(one.guardrail, `${under(context)}/guardrails`, titleOf), ": ",
                t(`guardrail.effect.${one.effect}`))))),
    },
    { name: "has_content", kind: "flag" }, { name: "node", kind: "code" }, { name: "id", kind: "code" },
];

const pretty = (text) => {
    try {
        return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
        return text;
    }
};

function said(title, side) {
    const notes = side === null ? [t("content.none")] : [
        side.truncated && t("content.truncated", { size: bytes(side.bytes) }),
        side.redactions > 0 && t("content.redactions", { count: whole(side.redactions) }),
    ].filter(Boolean);
    return h("section", {}, h("h3", {}, t(title)), notes.map((note) => h("p", { class: "hint" }, note)),
        side !== null && h("pre", { tabIndex: 0 }, pretty(side.text)));
}

/// What was said in the call: read when it is asked for, since the audit log notes who does.
function contentPart(row, context, close) {
    if (!row.has_content || !(may("contents:read", context.tenant) || may("contents:delete", context.tenant))) return null;
    const path = `${under(context)}/usage-events/${row.id}/content`;
    const place = h("div", {});
    const read = async () => {
        const content = await get(path);
        fill(place, said("content.request", content.request), said("content.answer", content.answer));
    };
    const erase = async () => {
        if (!await confirmDanger({ title: t("content.erase"), text: t("content.eraseText"), action: t("content.erase") })) return;
        await request("DELETE", path);
        notify(t("content.erased"));
        close();
        await refresh();
    };
    const button = (text, permission, work, kind = "") => may(permission, context.tenant) && h("button", {
        type: "button", class: kind, onclick: (event) => doing(event.currentTarget, work),
    }, t(text));
    return h("section", {}, h("h3", {}, t("content.title")), h("p", { class: "hint" }, t("content.audited")),
        h("div", { class: "buttons" }, button("content.read", "contents:read", read),
            button("content.erase", "contents:delete", erase, "danger quiet")), place);
}

const show = (row, context) => openDialog(t("noun.calls.one"), (close) => h("div", {},
    description(details, row, context), contentPart(row, context, close)), { isWide: true });

const choice = (context, name) => ({
    name, kind: "reference", things: () => lookup(`${under(context)}/${paths[name]}`), title: titleOf, empty: "common.all",
});

export const calls = {
    name: "calls", kind: "call", event: "usage", path: (context) => `${under(context)}/usage-events`, hasPage: false,
    permissions: { read: "usage:read" },
    title: (row) => row.id,
    columns: [
        { name: "started_at", show: (row, context) => h("button", { type: "button", class: "link", onclick: () => show(row, context) }, moment(row.started_at)) },
        outcome, named("route"), { ...named("model"), isWide: true }, { ...named("key"), isWide: true },
        { name: "latency_ms", isNumber: true, isWide: true, show: (row) => `${whole(row.latency_ms)} ms` },
        { name: "input_tokens", isNumber: true, isWide: true, kind: "number" }, { name: "output_tokens", isNumber: true, isWide: true, kind: "number" },
        { name: "cost", isNumber: true, kind: "money" },
    ],
    filters: (context) => [
        choice(context, "route"), choice(context, "model"), choice(context, "key"), choice(context, "provider"), choice(context, "workspace"),
        { name: "failed", kind: "choice", empty: "common.all", values: [["true", t("figure.failedCalls")], ["false", t("status.answered")]] },
        { name: "error_code", placeholder: "key_revoked" }, { name: "from", kind: "time" }, { name: "to", kind: "time" },
    ],
    listButtons: (context) => exportButtons(`${under(context)}/usage-events/export`),
};
