// The log of single calls.

import { address } from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { badge, description, moment, nameOf } from "../core/parts.js";
import { lookup } from "../core/session.js";
import { label, money, t, whole } from "../core/words.js";

const under = (context) => `/tenants/${context.tenant}`;
const paths = { key: "keys", route: "routes", model: "models", provider: "providers", workspace: "workspaces" };
const titleOf = (thing) => thing.display_name || thing.name;
const named = (name) => ({ name, show: (row, context) => nameOf(row[name], `${under(context)}/${paths[name]}`, titleOf) });

const outcome = {
    name: "outcome", show: (row) => h("span", {}, badge(row.error_code || row.status >= 400 ? "failed" : "answered"),
        row.error_code && [" ", h("code", {}, row.error_code)]),
};

const details = [
    { name: "started_at", kind: "time" }, outcome, { name: "status", kind: "number" }, { name: "ending", show: (row) => label("ending", row.ending) },
    named("route"), named("model"), named("provider"), named("key"), named("workspace"), { name: "endpoint", kind: "badge", words: "endpoint" },
    { name: "streamed", kind: "flag" }, { name: "attempts", kind: "number" },
    { name: "latency_ms", show: (row) => `${whole(row.latency_ms)} ms` }, { name: "first_byte_ms", show: (row) => `${whole(row.first_byte_ms)} ms` },
    { name: "input_tokens", kind: "number" }, { name: "cached_input_tokens", kind: "number" }, { name: "output_tokens", kind: "number" },
    { name: "cost", show: (row) => h("span", {}, money(row.cost), " ", row.cost_state !== "settled" && badge(row.cost_state)) },
    { name: "node", kind: "code" }, { name: "id", kind: "code" },
];

const show = (row, context) => openDialog(t("noun.calls.one"), () => description(details, row, context), { isWide: true });

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
        choice(context, "route"), choice(context, "model"), choice(context, "key"),
        { name: "failed", kind: "choice", empty: "common.all", values: [["true", t("figure.failedCalls")], ["false", t("status.answered")]] },
        { name: "error_code", placeholder: "key_revoked" }, { name: "from", kind: "time" }, { name: "to", kind: "time" },
    ],
    listButtons: (context) => ["csv", "ndjson"].map((format) => h("a", {
        class: "button", download: "", href: address(`${under(context)}/usage-events/export`, { format }),
    }, t("common.export", { format: format.toUpperCase() }))),
};
