// Alerts: what is watched, who is told, what was found, and what became of the messages. Of a tenant, and of the platform.

import { post, request } from "../core/api.js";
import { confirmDanger, notify, showOnce } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { innerList } from "../core/noun.js";
import { badge, card, nameOf } from "../core/parts.js";
import { notifyButton } from "../core/notifications.js";
import { lookup } from "../core/session.js";
import { label, t, whole } from "../core/words.js";

const under = (context) => (context.tenant ? `/tenants/${context.tenant}` : "");
const kinds = {
    tenant: ["budget_threshold", "budget_forecast", "spend_anomaly", "error_rate", "latency"],
    platform: ["node_offline", "node_lag", "node_outbox", "certificate_expiry"],
};
const aboutCalls = ["spend_anomaly", "error_rate", "latency"];
const aboutBudgets = ["budget_threshold", "budget_forecast"];
const times = [{ name: "created_at", kind: "time" }, { name: "updated_at", kind: "time" }];

const severity = (row) => badge(row.severity, "severity");
const kind = (row) => t(`alertKind.${row.kind}`);
const amount = (value, unit) => t(`alertUnit.${unit}`, { value: whole(value) });

/// The sentence of an alert, as its messages say it.
export const sentence = (alert) => t(`alertSentence.${alert.kind}`, {
    about: alert.about, value: whole(alert.value), threshold: whole(alert.threshold),
});

// MARK: Rules

const rules = {
    name: "alert-rules", kind: "alert_rule", path: (context) => `${under(context)}/alert-rules`,
    permissions: { read: "alerts:read", create: "alerts:create", update: "alerts:update", delete: "alerts:delete" },
    title: (row) => row.name, subtitle: kind,
    columns: [
        { name: "name" }, { name: "kind", show: kind, isWide: true }, { name: "threshold", label: "alert.threshold", show: (row) => amount(row.threshold, row.unit) },
        { name: "severity", show: severity, isWide: true }, { name: "enabled", kind: "enabled" },
    ],
    details: [
        { name: "kind", show: kind }, { name: "threshold", label: "alert.threshold", show: (row) => amount(row.threshold, row.unit) }, { name: "severity", show: severity },
        { name: "enabled", kind: "enabled" }, { name: "limit", show: (row, context) => nameOf(row.limit, `${under(context)}/limits`, (one) => one.name) },
        { name: "workspace", show: (row, context) => nameOf(row.workspace, `${under(context)}/workspaces`, (one) => one.name) },
        { name: "route", show: (row, context) => nameOf(row.route, `${under(context)}/routes`, (one) => one.name) },
        { name: "window_minutes", kind: "number" }, { name: "percentile", kind: "number" }, { name: "minimum_calls", kind: "number" },
        {
            name: "channels", show: (row, context) => (row.channels.length === 0 ? "—" : h("span", { class: "tags" }, row.channels.map((one) =>
                h("span", { class: "tag" }, nameOf(one, `${under(context)}/alert-channels`, (channel) => channel.name))))),
        },
        { name: "id", kind: "code" }, ...times,
    ],
    fields: (context) => {
        const isKind = (list) => (value) => list.includes(value.kind ?? context.row?.kind);
        const things = (name) => ({ kind: "reference", on: "create", isRare: true, things: () => lookup(`${under(context)}/${name}`), title: (one) => one.name });
        return [
            { name: "name", required: true },
            {
                name: "kind", kind: "choice", required: true, on: "create",
                values: kinds[context.tenant ? "tenant" : "platform"].map((one) => [one, t(`alertKind.${one}`)]),
            },
            { name: "threshold", label: "alert.threshold", kind: "number", required: true, hint: "hint.alertThreshold" },
            {
                name: "severity", kind: "choice", required: true, default: "warning", hint: "hint.severity",
                values: ["info", "warning", "critical"].map((one) => [one, t(`severity.${one}`)]),
            },
            { name: "channels", kind: "references", things: () => lookup(`${under(context)}/alert-channels`), title: (one) => one.name, hint: "hint.alertChannels" },
            { name: "enabled", kind: "flag", default: true },
            ...(context.tenant ? [
                { name: "limit", ...things("limits"), when: isKind(aboutBudgets) },
                { name: "workspace", ...things("workspaces"), when: isKind(aboutCalls) },
                { name: "route", ...things("routes"), when: isKind(aboutCalls) },
                { name: "window_minutes", kind: "number", isRare: true, when: isKind(["error_rate", "latency"]), hint: "hint.alertWindow" },
                { name: "percentile", kind: "number", isRare: true, when: isKind(["latency"]) },
                { name: "minimum_calls", kind: "number", isRare: true, when: isKind(aboutCalls), hint: "hint.minimumCalls" },
            ] : []),
        ];
    },
    sections: [(context, row) => innerList(context, {
        title: "noun.alerts.many", empty: "noun.alerts.empty", path: `${under(context)}/alerts?rule=${row.id}`,
        columns: [{ name: "about", label: "alert.text", show: sentence }, { name: "started_at", kind: "ago" }, { name: "resolved_at", kind: "ago", label: "alert.ended" }],
    })],
};

// MARK: Channels

const showSecret = (secret) => showOnce(t("secret.webhook"), [[t("secret.webhookName"), secret]]);

const address = (row) => (row.kind === "webhook" ? h("code", {}, row.url) : row.recipients.join(", "));

const quiet = (row) => (row.quiet_hours ? `${row.quiet_hours.from}–${row.quiet_hours.to} ${row.quiet_hours.time_zone}` : "—");

const attempts = (path) => (context, row) => innerList(context, {
    title: "noun.alert-deliveries.many", empty: "noun.alert-deliveries.empty", path: `${under(context)}/alert-deliveries?${path}=${row.id}`,
    columns: deliveryColumns,
});

const deliveryColumns = [
    { name: "event", show: (row) => t(`alertEvent.${row.event}`) }, { name: "status", kind: "badge" },
    { name: "attempts", kind: "number", isNumber: true, isWide: true }, { name: "response_status", kind: "text", isWide: true },
    { name: "reason", isWide: true }, { name: "created_at", kind: "ago" },
];

const channels = {
    name: "alert-channels", kind: "alert_channel", path: (context) => `${under(context)}/alert-channels`,
    permissions: { read: "alerts:read", create: "alerts:create", update: "alerts:update", delete: "alerts:delete" },
    title: (row) => row.name, thing: (answer) => answer.channel,
    columns: [
        { name: "name" }, { name: "kind", show: (row) => t(`channelKind.${row.kind}`) }, { name: "address", show: address, isWide: true },
        { name: "quiet_hours", show: quiet, isWide: true }, { name: "enabled", kind: "enabled" },
    ],
    details: [
        { name: "kind", show: (row) => t(`channelKind.${row.kind}`) }, { name: "address", show: address }, { name: "language", kind: "language" },
        { name: "quiet_hours", show: quiet }, { name: "enabled", kind: "enabled" }, { name: "id", kind: "code" }, ...times,
    ],
    fields: (context) => {
        const isKind = (wanted) => (value) => (value.kind ?? context.row?.kind) === wanted;
        return [
            { name: "name", required: true },
            { name: "kind", kind: "choice", required: true, on: "create", values: ["email", "webhook"].map((one) => [one, t(`channelKind.${one}`)]) },
            { name: "recipients", kind: "lines", hint: "hint.recipients", when: isKind("email") },
            { name: "language", kind: "choice", required: true, values: [["en", "English"], ["pt-BR", "Português (Brasil)"]], when: isKind("email") },
            { name: "url", hint: "hint.webhook", isNullable: true, placeholder: "https://", when: isKind("webhook") },
            {
                name: "quiet_hours", kind: "part", isRare: true, hint: "hint.quietHours",
                fields: [{ name: "from", placeholder: "22:00" }, { name: "to", placeholder: "07:00" }, { name: "time_zone", placeholder: "Europe/Lisbon" }],
            },
            { name: "enabled", kind: "flag", default: true },
        ];
    },
    toCreate: ({ recipients, url, ...value }) => ({ ...value, ...(value.kind === "email" ? { recipients } : { url }) }),
    created: (context, answer) => answer.secret && showSecret(answer.secret),
    actions: [
        {
            name: "sendTest", permission: "alerts:update", run: async (context) => {
                await post(`${context.one}/test`, undefined);
                notify(t("alert.testQueued"));
                setTimeout(context.reload, 2500);
            },
        },
        {
            name: "rotate", permission: "alerts:update", isDanger: true, when: (row) => row.kind === "webhook", run: async (context, row) => {
                if (!await confirmDanger({ title: t("alert.rotateTitle", { name: row.name }), text: t("alert.rotateText"), action: t("action.rotate") })) return;
                const { body } = await request("POST", `${context.one}/rotate-secret`, { etag: context.etag });
                await showSecret(body.secret);
                await context.reload();
            },
        },
    ],
    sections: [attempts("channel")],
};

// MARK: What was found, and what became of the messages

const alerts = {
    name: "alerts", kind: "alert", event: "alert", path: (context) => `${under(context)}/alerts`, permissions: { read: "alerts:read" },
    title: (row) => row.rule_name, subtitle: sentence,
    listButtons: notifyButton,
    columns: [
        { name: "rule_name", label: "field.name" }, { name: "about", label: "alert.text", show: sentence, isWide: true },
        { name: "severity", show: severity, isWide: true }, { name: "state", show: (row) => badge(row.resolved_at ? "resolved" : "firing") },
        { name: "started_at", kind: "ago" },
    ],
    filters: () => [{ name: "resolved", label: "alert.state", kind: "choice", values: [["false", t("status.firing")], ["true", t("status.resolved")]] }],
    details: [
        { name: "about", label: "alert.text", show: sentence }, { name: "state", show: (row) => badge(row.resolved_at ? "resolved" : "firing") },
        { name: "severity", show: severity }, { name: "kind", show: kind },
        { name: "value", show: (row) => amount(row.value, row.unit) }, { name: "threshold", label: "alert.threshold", show: (row) => amount(row.threshold, row.unit) },
        { name: "started_at", kind: "time" }, { name: "resolved_at", kind: "time", label: "alert.ended" }, { name: "id", kind: "code" },
    ],
    sections: [attempts("alert")],
};

const deliveries = {
    name: "alert-deliveries", kind: "alert_delivery", path: (context) => `${under(context)}/alert-deliveries`, permissions: { read: "alerts:read" },
    title: (row) => t(`alertEvent.${row.event}`),
    columns: deliveryColumns,
    filters: () => [{ name: "status", kind: "choice", values: ["waiting", "sent", "failed"].map((one) => [one, label("status", one)]) }],
    details: [
        { name: "status", kind: "badge" },
        { name: "channel", show: (row, context) => nameOf(row.channel, `${under(context)}/alert-channels`, (one) => one.name) },
        { name: "attempts", kind: "number" }, { name: "response_status", kind: "text" }, { name: "reason" }, { name: "next_attempt_at", kind: "time" },
        { name: "created_at", kind: "time" }, { name: "finished_at", kind: "time" }, { name: "id", kind: "code" },
    ],
    actions: [{
        name: "sendAgain", permission: "alerts:update", when: (row) => row.status !== "waiting", run: async (context) => {
            await request("POST", `${context.one}/replay`, { etag: context.etag });
            notify(t("alert.replayed"));
            await context.reload();
        },
    }],
    sections: [(context, row) => card(t("alert.payload"), h("pre", { tabIndex: 0 }, JSON.stringify(JSON.parse(row.payload), null, 2)))],
};

export const alertNouns = [rules, channels, alerts, deliveries];

