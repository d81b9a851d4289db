// Money: what was posted, paid and invoiced, and whether providers ask for the same.

import { address, post } from "../core/api.js";
import { notify } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { textOrFile } from "../core/files.js";
import { badge, card, moment, nameOf, table } from "../core/parts.js";
import { go } from "../core/router.js";
import { lookup, may } from "../core/session.js";
import { askReason } from "../pages/billing.js";
import { money, t, whole } from "../core/words.js";

const under = (context) => `/tenants/${context.tenant}`;
const titleOf = (thing) => thing.display_name || thing.name;
const workspace = { name: "workspace", isWide: true, show: (row, context) => nameOf(row.workspace, `${under(context)}/workspaces`, titleOf) };

const ledger = {
    name: "ledger", kind: "ledger_transaction", path: (context) => `${under(context)}/ledger`, permissions: { read: "ledger:read" },
    title: (row) => t(`ledger.kind.${row.kind}`),
    columns: [
        { name: "kind", show: (row) => t(`ledger.kind.${row.kind}`) }, { name: "reason", isWide: true },
        { name: "amount", isNumber: true, show: (row) => money(row.entries.find((entry) => entry.account === "balance")?.amount ?? 0) },
        { name: "posted_at", kind: "ago" },
    ],
    filters: () => [{ name: "kind", kind: "choice", values: ["usage", "correction", "payment", "credit", "adjustment"].map((one) => [one, t(`ledger.kind.${one}`)]) }],
    details: [
        { name: "kind", show: (row) => t(`ledger.kind.${row.kind}`) }, { name: "reason" }, { name: "reference", kind: "code" }, { name: "posted_at", kind: "time" },
        { name: "posted_by", kind: "code" }, { name: "id", kind: "code" },
    ],
    sections: [(context, row) => card(t("ledger.entries"), h("p", { class: "about" }, t("ledger.entriesAbout")), table({
        caption: t("ledger.entries"), rows: row.entries, context, columns: [
            { name: "account", show: (entry) => t(`ledger.account.${entry.account}`) }, { name: "amount", kind: "money", isNumber: true },
            { name: "day", isWide: true }, workspace,
        ],
    }))],
};

const payments = {
    name: "payments", kind: "payment", path: (context) => `${under(context)}/payments`, hasPage: false,
    permissions: { read: "ledger:read", create: "payments:create" }, title: (row) => row.event,
    columns: [
        { name: "provider", label: "field.payment_provider" }, { name: "event", label: "field.payment_event", kind: "code", isWide: true },
        { name: "amount", kind: "money", isNumber: true }, { name: "received_at", kind: "ago" },
    ],
    fields: () => [
        { name: "provider", label: "field.payment_provider", required: true, placeholder: "bank" },
        { name: "event", label: "field.payment_event", required: true, hint: "hint.paymentEvent" },
        { name: "amount", kind: "decimal", required: true },
    ],
};

const invoices = {
    name: "invoices", kind: "invoice", path: (context) => `${under(context)}/invoices`,
    permissions: { read: "invoices:read", create: "invoices:create" }, title: (row) => row.number,
    columns: [
        { name: "number" }, { name: "month" }, { name: "due", kind: "money", isNumber: true }, { name: "status", kind: "badge", isWide: true },
        { name: "issued_at", kind: "ago", isWide: true },
    ],
    details: [
        { name: "month" }, { name: "status", kind: "badge" }, { name: "total", kind: "money" }, { name: "due", kind: "money" },
        { name: "customer", show: (row) => row.customer.name }, { name: "issued_at", kind: "time" }, { name: "voided_at", kind: "time" },
        { name: "void_reason" }, { name: "id", kind: "code" },
    ],
    fields: () => [{ name: "month", required: true, placeholder: "2026-03", hint: "hint.invoiceMonth" }],
    actions: [{
        name: "void", isDanger: true, permission: "invoices:void", when: (row) => !row.voided_at, run: async (context, row) => {
            const value = await askReason(t("invoice.voidTitle", { number: row.number }), []);
            if (!value) return;
            await post(`${context.one}/void`, value);
            await context.reload();
        },
    }],
    sections: [(context, row) => card(t("invoice.lines"), h("div", { class: "buttons" },
        h("a", { class: "button small", download: "", href: address(`${context.one}/pdf`) }, "PDF"),
        h("a", { class: "button small", download: "", href: address(`${context.one}/lines`, { format: "csv" }) }, t("common.export", { format: "CSV" }))),
    table({
        caption: t("invoice.lines"), rows: row.lines, columns: [
            { name: "workspace", show: (line) => line.workspace_name }, { name: "model", show: (line) => line.model_name },
            { name: "calls", kind: "number", isNumber: true, isWide: true }, { name: "input_tokens", kind: "number", isNumber: true, isWide: true },
            { name: "output_tokens", kind: "number", isNumber: true, isWide: true }, { name: "amount", kind: "money", isNumber: true },
        ],
    }))],
};

const reratings = {
    name: "reratings", kind: "rerating", path: (context) => `${under(context)}/reratings`,
    permissions: { read: "ledger:read", create: "usage:rerate" }, title: (row) => row.id,
    columns: [
        { name: "model", show: (row, context) => nameOf(row.model, `${under(context)}/models`, titleOf) }, { name: "from", kind: "time", isWide: true },
        { name: "to", kind: "time", isWide: true }, { name: "events", kind: "number", isNumber: true, label: "field.calls" },
        { name: "difference", kind: "money", isNumber: true },
    ],
    details: [
        { name: "model", show: (row, context) => nameOf(row.model, `${under(context)}/models`, titleOf) }, { name: "from", kind: "time" }, { name: "to", kind: "time" },
        { name: "events", kind: "number", label: "field.calls" }, { name: "before", kind: "money" }, { name: "after", kind: "money" },
        { name: "difference", kind: "money" }, { name: "created_at", kind: "time" }, { name: "id", kind: "code" },
    ],
    fields: (context) => [
        { name: "model", kind: "reference", required: true, things: () => lookup(`${under(context)}/models`), title: titleOf },
        { name: "from", kind: "time", required: true }, { name: "to", kind: "time", required: true, hint: "hint.rerating" },
        { name: "markup_percent", kind: "decimal", isRare: true, hint: "hint.markupPercent" },
        { name: "price", isRare: true, isNullable: true, placeholder: "price_…", hint: "hint.ratingPrice" },
    ],
};

const figure = (name) => ({ name, isNumber: true, isWide: true, show: (row) => (row[name] === null ? "—" : whole(row[name])) });

const reconciliations = {
    name: "reconciliations", kind: "reconciliation", path: () => "/reconciliations",
    permissions: { read: "reconciliations:read", create: "reconciliations:create" }, title: (row) => `${row.from} – ${row.to}`,
    columns: [
        { name: "from", kind: "day" }, { name: "to", kind: "day" }, { name: "provider", isWide: true, show: (row) => nameOf(row.provider, "/providers", titleOf) },
        { name: "our_cost", kind: "money", isNumber: true, isWide: true }, { name: "their_cost", kind: "money", isNumber: true, isWide: true },
        { name: "drift", kind: "money", isNumber: true },
    ],
    details: [
        { name: "provider", show: (row) => nameOf(row.provider, "/providers", titleOf) }, { name: "from", kind: "day" }, { name: "to", kind: "day" }, { name: "our_cost", kind: "money" },
        { name: "their_cost", kind: "money" }, { name: "drift", kind: "money" }, { name: "created_at", kind: "time" }, { name: "id", kind: "code" },
    ],
    fields: () => [
        { name: "provider", kind: "reference", required: true, things: () => lookup("/providers"), title: titleOf },
        { name: "from", required: true, placeholder: "2026-03-01" }, { name: "to", required: true, placeholder: "2026-03-31" },
        textOrFile({ name: "csv", required: true, rows: 8, hint: "hint.reconciliation", accept: ".csv,text/csv", maximumBytes: 900_000 }),
    ],
    sections: [(context, row) => card(t("reconciliation.lines"), table({
        caption: t("reconciliation.lines"), rows: row.lines, columns: [
            { name: "day" }, { name: "model", kind: "code" }, figure("our_calls"), figure("their_calls"), { name: "our_cost", kind: "money", isNumber: true },
            { name: "their_cost", isNumber: true, show: (line) => (line.their_cost === null ? "—" : money(line.their_cost)) },
        ],
    }))],
};

const proofs = {
    name: "ledger-proofs", kind: "ledger_proof", path: () => "/ledger-proofs", permissions: { read: "ledger:read" }, title: (row) => `${row.from} – ${row.to}`,
    columns: [
        { name: "from", kind: "day" }, { name: "to", kind: "day" }, { name: "holds", show: (row) => badge(row.holds ? "passed" : "failed") },
        { name: "differences", kind: "number", isNumber: true, isWide: true }, { name: "finished_at", show: (row) => moment(row.finished_at) },
    ],
    listButtons: () => (may("ledger:prove") ? [h("button", {
        type: "button", class: "primary", onclick: () => post("/ledger-proofs", {}).then(
            (proof) => go(`/platform/ledger-proofs/${proof.id}`), (problem) => notify(problem.text, "bad")),
    }, t("noun.ledger-proofs.create"))] : []),
    details: [
        { name: "holds", show: (row) => badge(row.holds ? "passed" : "failed") }, { name: "from", kind: "day" }, { name: "to", kind: "day" }, { name: "differences", kind: "number" },
        { name: "started_at", kind: "time" }, { name: "finished_at", kind: "time" }, { name: "id", kind: "code" },
    ],
    sections: [(context, row) => row.findings.length > 0 && card(t("proof.findings"), table({
        caption: t("proof.findings"), rows: row.findings, columns: [
            { name: "tenant", kind: "code" }, { name: "day" }, { name: "what" }, { name: "expected", isNumber: true }, { name: "found", isNumber: true },
        ],
    }))],
};

export const tenantNouns = [ledger, payments, invoices, reratings];
export const platformNouns = [reconciliations, proofs];
