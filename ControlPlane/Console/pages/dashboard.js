// How things are at this moment.

import { all, get } from "../core/api.js";
import { chart } from "../core/chart.js";
import { h, fill } from "../core/dom.js";
import { listen } from "../core/events.js";
import {
    actionOf, actorName, badge, card, emptyState, failure, figure, linkButton, loading, nameOf, pageHead, table,
} from "../core/parts.js";
import { href } from "../core/router.js";
import { may, myTenants } from "../core/session.js";
import { compact, kindName, money, percent, t, whole } from "../core/words.js";
import { budgetsCard } from "../nouns/limits.js";

const hour = 3_600_000;

const timeOfDay = (text) => new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" })
    .format(new Date(text));

/// The times of a report, also where nothing happened.
export function steps(from, to, length) {
    const times = [];
    for (let at = Math.floor(from / length) * length; at < to; at += length) times.push(at);
    return times;
}

export const tokens = (line) => line.input_tokens + line.output_tokens;

/// Every 5 s at most, however often the stream says that there is more.
function onUsage(element, changed) {
    let timer = null;
    const stop = listen((kind) => {
        if (!element.isConnected) return void stop();
        if ((kind !== "usage" && kind !== "again") || timer) return;
        timer = setTimeout(() => {
            timer = null;
            if (element.isConnected) changed();
        }, 5000);
    });
}

export async function tenantDashboard({ tenant }) {
    const place = h("div", {}, loading("30rem"));
    const page = h("div", {}, pageHead({ title: t("dashboard.title"), about: t("dashboard.about") }), place);
    const read = async () => {
        try {
            fill(place, await tenantParts(tenant));
        } catch (problem) {
            fill(place, failure(problem, read));
        }
    };
    read();
    onUsage(page, read);
    return page;
}

async function tenantParts(tenant) {
    const base = `/tenants/${tenant}`;
    const now = Date.now();
    const end = Math.ceil(now / hour) * hour;
    const [from, before] = [end - 24 * hour, end - 48 * hour];
    const report = (query) => get(`${base}/usage`, query);
    const iso = (time) => new Date(time).toISOString();
    const span = { from: iso(from), to: iso(end) };
    const [hours, last, byRoute, byModel, byKey] = await Promise.all([
        report({ ...span, step: "hour" }), report({ from: iso(before), to: iso(from) }),
        report({ ...span, group_by: "route" }), report({ ...span, group_by: "model" }), report({ ...span, group_by: "key" }),
    ]);
    if (hours.total.calls === 0 && last.total.calls === 0) {
        return [firstSteps(tenant), await activityCard(tenant)];
    }
    const total = hours.total;
    const failed = (sums) => (sums.calls === 0 ? 0 : sums.failed_calls / sums.calls);
    const figures = h("div", { class: "figures" },
        figure(t("figure.calls"), whole(total.calls), { before: { now: total.calls, value: last.total.calls } }),
        figure(t("figure.spend"), money(total.cost), { before: { now: Number(total.cost), value: Number(last.total.cost) } }),
        figure(t("figure.tokens"), compact(tokens(total)), { before: { now: tokens(total), value: tokens(last.total) } }),
        figure(t("figure.failed"), percent(failed(total)), {
            before: { now: failed(total), value: failed(last.total) }, isGoodUp: false,
        }),
        figure(t("figure.latency"), `${whole(total.average_latency_ms)} ms`, {
            before: { now: total.average_latency_ms, value: last.total.average_latency_ms }, isGoodUp: false,
        }));
    const { labels, values } = series(hours, from, end);
    return [
        figures,
        h("div", { class: "halves" },
            callsChart(hours, from, end),
            card(t("dashboard.spendPerHour"), chart({
                title: t("dashboard.spendPerHour"), labels, format: (value) => money(value), secondFormat: compact,
                series: [
                    { name: t("figure.spend"), values: values((line) => Number(line.cost)), tone: "--series-4" },
                    { name: t("figure.tokens"), values: values(tokens), kind: "line", axis: "second", tone: "--series-3" },
                ],
            }))),
        h("div", { class: "halves thirds" },
            top(t("dashboard.topRoutes"), byRoute, "route", `${base}/routes`),
            top(t("dashboard.topModels"), byModel, "model", `${base}/models`, (model) => model.display_name || model.name),
            top(t("dashboard.topKeys"), byKey, "key", `${base}/keys`)),
        await budgetsCard(tenant),
        await errorsCard(tenant),
        await activityCard(tenant),
    ];
}

/// What went wrong last.
async function errorsCard(tenant) {
    const base = `/tenants/${tenant}`;
    const { data } = await get(`${base}/usage-events`, { failed: true, limit: 5 });
    return card(t("dashboard.lastErrors"), data.length === 0 ? h("p", { class: "hint" }, t("dashboard.noErrors")) : table({
        caption: t("dashboard.lastErrors"), rows: data, columns: [
            { name: "started_at", kind: "ago" }, { name: "route", show: (row) => nameOf(row.route, `${base}/routes`, (route) => route.name) },
            { name: "error_code", show: (row) => h("code", {}, row.error_code ?? row.status) },
            { name: "key", isWide: true, show: (row) => nameOf(row.key, `${base}/keys`, (key) => key.name) },
            { name: "status", isWide: true, kind: "number", isNumber: true },
        ],
    }), h("p", {}, h("a", { href: href(`${base}/calls?failed=true`) }, t("dashboard.allErrors"))));
}

/// The hours of a report as the values of a chart.
function series(report, from, end) {
    const times = steps(from, end, hour);
    const at = new Map(report.data.map((line) => [Date.parse(line.starts_at), line]));
    return {
        labels: times.map((time) => timeOfDay(time)),
        values: (read) => times.map((time) => (at.has(time) ? read(at.get(time)) : 0)),
    };
}

function callsChart(report, from, end) {
    const { labels, values } = series(report, from, end);
    return card(t("dashboard.callsPerHour"), chart({
        title: t("dashboard.callsPerHour"), labels, stacked: true, format: whole,
        series: [
            { name: t("dashboard.answered"), values: values((line) => line.calls - line.failed_calls) },
            { name: t("figure.failedCalls"), values: values((line) => line.failed_calls), tone: "--series-2" },
        ],
    }));
}

function top(title, report, dimension, path, nameIt = (thing) => thing.name) {
    const rows = [...report.data].sort((one, other) => Number(other.cost) - Number(one.cost) || other.calls - one.calls).slice(0, 5);
    return card(title, rows.length === 0 ? h("p", { class: "hint" }, t("common.nothing")) : table({
        caption: title, rows,
        columns: [
            { name: dimension, show: (row) => (row[dimension] ? nameOf(row[dimension], path, nameIt) : t("common.none")) },
            { name: "calls", kind: "number", isNumber: true }, { name: "cost", kind: "money", isNumber: true },
        ],
    }));
}

/// A tenant without calls: what to do, in order.
function firstSteps(tenant) {
    const base = `/tenants/${tenant}`;
    const step = (name, path) => h("li", {}, h("a", { href: href(`${base}/${path}`) }, t(`firstSteps.${name}`)), " — ", t(`firstSteps.${name}Text`));
    return h("section", { class: "card" }, h("h2", {}, t("firstSteps.title")), h("p", { class: "about" }, t("firstSteps.about")),
        h("ol", { class: "steps" }, step("provider", "providers"), step("model", "models"), step("route", "routes"),
            step("key", "keys"), step("call", "playground")));
}

async function activityCard(tenant) {
    const path = tenant ? `/tenants/${tenant}/audit-events` : "/audit-events";
    if (!may("audit:read", tenant)) return null;
    const { data } = await get(path, { limit: 8 });
    return card(t("dashboard.activity"), table({
        caption: t("dashboard.activity"), rows: data, columns: activityColumns, context: { tenant },
    }), h("p", {}, h("a", { href: href(tenant ? `/tenants/${tenant}/activity` : "/platform/activity") }, t("dashboard.allActivity"))));
}

export const activityColumns = [
    { name: "action", show: actionOf },
    { name: "target_kind", isWide: true, show: (row) => kindName(row.target_kind) },
    { name: "actor", isWide: true, show: actorName },
    { name: "occurred_at", kind: "ago" },
];

// MARK: The platform

export async function platformDashboard() {
    const place = h("div", {}, loading("30rem"));
    const page = h("div", {}, pageHead({ title: t("platformDashboard.title"), about: t("platformDashboard.about") }), place);
    const read = async () => {
        try {
            fill(place, await platformParts());
        } catch (problem) {
            fill(place, failure(problem, read));
        }
    };
    read();
    let timer = null;
    const stop = listen((kind) => {
        if (!page.isConnected) return void stop();
        if (kind === "usage") return;
        clearTimeout(timer);
        timer = setTimeout(read, 500);
    });
    return page;
}

async function platformParts() {
    const end = Math.ceil(Date.now() / hour) * hour;
    const span = { from: new Date(end - 24 * hour).toISOString(), to: new Date(end).toISOString() };
    const [nodes, rollout, hours, byTenant] = await Promise.all([
        may("nodes:read") ? all("/nodes") : [], may("snapshots:read") ? get("/rollout") : null,
        may("usage:read") ? get("/usage", { ...span, step: "hour" }) : null,
        may("usage:read") ? get("/usage", { ...span, group_by: "tenant" }) : null,
    ]);
    const serving = nodes.filter((node) => node.status !== "revoked");
    const connected = serving.filter((node) => node.connected);
    const behind = connected.filter((node) => rollout && node.running_version !== rollout.version);
    const waiting = serving.reduce((sum, node) => sum + (node.outbox_events ?? 0), 0);
    return [
        h("div", { class: "figures" },
            figure(t("platformDashboard.tenants"), whole(myTenants().length)),
            figure(t("platformDashboard.nodes"), `${whole(connected.length)} / ${whole(serving.length)}`, { note: t("platformDashboard.connected") }),
            rollout && figure(t("platformDashboard.version"), rollout.version, { note: badge(rollout.stage) }),
            figure(t("platformDashboard.behind"), whole(behind.length), { note: t("platformDashboard.behindNote") }),
            figure(t("platformDashboard.waiting"), whole(waiting), { note: t("platformDashboard.waitingNote") }),
            hours && figure(t("figure.calls"), whole(hours.total.calls), { note: t("platformDashboard.today") }),
            hours && figure(t("figure.spend"), money(hours.total.cost), { note: t("platformDashboard.today") })),
        hours && hours.total.calls > 0 && h("div", { class: "halves" },
            callsChart(hours, end - 24 * hour, end), top(t("platformDashboard.topTenants"), byTenant, "tenant", "/tenants")),
        card(t("platformDashboard.fleet"), serving.length === 0 ? emptyState({
            title: t("noun.nodes.empty"), text: t("noun.nodes.teach"),
            button: linkButton("/platform/join-tokens/new", t("noun.join-tokens.create"), { kind: "primary" }),
        }) : table({
            caption: t("platformDashboard.fleet"), rows: serving, link: (row) => `/platform/nodes/${row.id}`,
            columns: [
                { name: "name" }, { name: "connected", show: (row) => badge(row.connected ? "connected" : "disconnected") },
                { name: "region", isWide: true }, { name: "running_version", kind: "code" },
                { name: "lag_ms", kind: "number", isNumber: true, isWide: true },
                { name: "last_error", isWide: true }, { name: "last_seen_at", kind: "ago", isWide: true },
            ],
        })),
        await activityCard(null),
    ];
}
