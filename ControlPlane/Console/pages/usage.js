// Usage and cost: how much, of what, compared with the time before.

import { address, get } from "../core/api.js";
import { chart } from "../core/chart.js";
import { h, fill } from "../core/dom.js";
import { card, emptyState, failure, figure, loading, nameOf, pageHead, table } from "../core/parts.js";
import { lookup } from "../core/session.js";
import { compact, count, currentLanguage, money, percent, t, whole } from "../core/words.js";
import { steps, tokens } from "./dashboard.js";

const hour = 3_600_000;
const day = 24 * hour;

/// How long the report looks back, and how finely.
const spans = {
    "1h": { length: hour, step: "minute", stepLength: 60_000 }, "24h": { length: day, step: "hour", stepLength: hour },
    "7d": { length: 7 * day, step: "hour", stepLength: hour }, "30d": { length: 30 * day, step: "day", stepLength: day },
    "12m": { length: 365 * day, step: "month", stepLength: day, isByMonth: true }, "90d": { length: 90 * day, step: "day", stepLength: day },
};

const dimensions = ["route", "model", "provider", "key", "workspace", "user", "group", "tag", "status"];
const ofPlatform = ["tenant", "model", "provider"];

const nameOfDimension = (name) => t(name === "status" ? "usage.status" : `field.${name}`);

/// Of one tenant, or (without one) of all.
export async function usagePage({ tenant = null }) {
    const base = tenant ? `/tenants/${tenant}` : "";
    const chosen = { span: "7d", by: tenant ? "model" : "tenant", measure: "cost", ...Object.fromEntries(new URLSearchParams(location.search)) };
    if (!(chosen.span in spans)) chosen.span = "7d";
    const place = h("div", {}, loading("30rem"));

    const keep = () => {
        const url = new URL(location.href);
        for (const [name, value] of Object.entries(chosen)) {
            if (value) url.searchParams.set(name, value);
            else url.searchParams.delete(name);
        }
        history.replaceState(null, "", url);
        read();
    };
    const select = (name, options) => {
        const input = h("select", { id: `usage-${name}`, onchange: (event) => {
            chosen[name] = event.target.value;
            keep();
        } }, options.map(([value, text]) => h("option", { value }, text)));
        input.value = chosen[name] ?? "";
        return h("div", { class: "field" }, h("label", { htmlFor: input.id }, t(`usage.${name}`)), input);
    };
    const only = async (name, path) => {
        const things = [...(await lookup(`${base}/${path}`)).values()];
        return select(name, [["", t("common.all")], ...things.map((one) => [one.id, one.display_name || one.name])]);
    };
    const filters = h("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
        select("span", Object.keys(spans).map((name) => [name, t(`usage.span.${name}`)])),
        select("by", (tenant ? dimensions : ofPlatform).map((name) => [name, nameOfDimension(name)])),
        select("measure", ["cost", "calls", "tokens"].map((name) => [name, t(`usage.measure.${name}`)])),
        tenant && await Promise.all([only("workspace", "workspaces"), only("route", "routes"), only("key", "keys")]));

    let turn = 0;
    async function read() {
        turn += 1;
        const mine = turn;
        try {
            const parts = await report(base, chosen);
            if (mine === turn) fill(place, parts);
        } catch (problem) {
            if (mine === turn) fill(place, failure(problem, read));
        }
    }
    read();
    return h("div", {}, pageHead({ title: t("usage.title"), about: t(tenant ? "usage.about" : "usage.platformAbout") }), filters, place);
}

/// The lines of this report as files; with a step, as a series.
const exports = (base, query) => h("div", { class: "buttons" }, ["csv", "ndjson"].map((format) => h("a", {
    class: "button small", download: "", href: address(`${base}/usage/export`, { ...query, format }),
}, t("common.export", { format: format.toUpperCase() }))));

const paths = { route: "routes", model: "models", provider: "providers", key: "keys", workspace: "workspaces", user: "members", group: "groups", tenant: "tenants" };
const nameIt = (thing) => thing.user?.name ?? (thing.display_name || thing.name);

const measures = {
    cost: { read: (line) => Number(line.cost), write: (value) => money(value) },
    calls: { read: (line) => line.calls, write: (value) => whole(value) },
    tokens: { read: tokens, write: (value) => compact(value) },
};

/// The first of each month in a period, in UTC as reports are.
function months(from, to) {
    const times = [];
    for (let time = new Date(from); time < new Date(to); time.setUTCMonth(time.getUTCMonth() + 1)) times.push(time.getTime());
    return times;
}

/// How long calls took, and why some failed.
const endings = (base, rows) => card(t("usage.endings"), h("p", { class: "about" }, t("usage.endingsAbout")), table({
    caption: t("usage.endings"), rows: rows.slice(0, 20),
    columns: [
        { name: "route", show: (row) => (row.route ? nameOf(row.route, `${base}/routes`, nameIt) : t("common.none")) },
        { name: "calls", kind: "number", isNumber: true },
        ...["p50_ms", "p95_ms", "p99_ms"].map((name) => ({ name, isNumber: true, isWide: name !== "p95_ms", show: (row) => `${whole(row[name])} ms` })),
        { name: "first_byte_p95_ms", isNumber: true, isWide: true, show: (row) => `${whole(row.first_byte_p95_ms)} ms` },
        { name: "failed_calls", kind: "number", isNumber: true },
        {
            name: "errors", isWide: true, show: (row) => h("span", { class: "tags" }, Object.entries(row.errors).slice(0, 4)
                .map(([code, calls]) => h("span", { class: "tag" }, `${code || t("usage.noCode")} ${whole(calls)}`))),
        },
    ],
}));

async function report(base, { span, by, measure, workspace, route, key }) {
    const { length, step, stepLength, isByMonth } = spans[span];
    // What is read from single calls goes back a month.
    if (by === "status" && length > 31 * day) return emptyState({ title: t("usage.tooLong"), text: t("usage.tooLongText") });
    const end = Math.ceil(Date.now() / stepLength) * stepLength;
    const iso = (time) => new Date(time).toISOString();
    const only = { workspace, route, key };
    const now = { from: iso(end - length), to: iso(end), ...only };
    const [series, grouped, before] = await Promise.all([
        get(`${base}/usage`, { ...now, step, group_by: by }), get(`${base}/usage`, { ...now, group_by: by }),
        get(`${base}/usage`, { from: iso(end - 2 * length), to: iso(end - length), ...only }),
    ]);
    const ended = base === "" || step === "month" || length > 31 * day ? null : await get(`${base}/usage/outcomes`, { from: now.from, to: now.to, group_by: "route", route });
    if (grouped.total.calls === 0) return emptyState({ title: t("usage.empty"), text: t("usage.emptyText") });
    const total = grouped.total;
    const than = (read) => ({ before: { now: read(total), value: read(before.total) } });
    const { read, write } = measures[measure];
    const rows = [...grouped.data].sort((one, other) => read(other) - read(one));
    const names = paths[by] ? await lookup(`${base}/${paths[by]}`) : new Map();
    const nameOfLine = (line) => (names.has(line[by]) ? nameIt(names.get(line[by])) : line[by] ?? t("common.none"));

    // Five of their own colour, the rest as one.
    const leading = rows.slice(0, 5);
    const times = isByMonth ? months(series.from, series.to) : steps(end - length, end, stepLength);
    const sums = new Map();
    for (const line of series.data) {
        const owner = leading.some((one) => one[by] === line[by]) ? line[by] : "rest";
        const cellKey = `${owner} ${Date.parse(line.starts_at)}`;
        sums.set(cellKey, (sums.get(cellKey) ?? 0) + read(line));
    }
    const values = (owner) => times.map((time) => sums.get(`${owner} ${time}`) ?? 0);
    const lines = leading.map((line) => ({ name: nameOfLine(line), values: values(line[by]) }));
    if (rows.length > leading.length) lines.push({ name: t("usage.rest"), values: values("rest"), tone: "--series-6" });
    const format = new Intl.DateTimeFormat(currentLanguage(), isByMonth ? { month: "short", year: "numeric", timeZone: "UTC" } : step === "day"
        ? { day: "numeric", month: "short" } : length > day ? { day: "numeric", month: "short", hour: "2-digit" } : { hour: "2-digit", minute: "2-digit" });
    const title = t("usage.chart", { measure: t(`usage.measure.${measure}`), by: nameOfDimension(by) });
    return [
        h("div", { class: "figures" },
            figure(t("figure.spend"), money(total.cost), than((sum) => Number(sum.cost))),
            figure(t("figure.calls"), whole(total.calls), than((sum) => sum.calls)),
            figure(t("figure.inputTokens"), compact(total.input_tokens), than((sum) => sum.input_tokens)),
            figure(t("figure.outputTokens"), compact(total.output_tokens), than((sum) => sum.output_tokens)),
            figure(t("figure.failed"), percent(total.calls ? total.failed_calls / total.calls : 0), { note: count("figure.ofCalls", total.failed_calls) }),
            figure(t("figure.latency"), `${whole(total.average_latency_ms)} ms`, { ...than((sum) => sum.average_latency_ms), isGoodUp: false })),
        card(title, chart({ title, labels: times.map((time) => format.format(new Date(time))), series: lines, format: write, stacked: true })),
        card(t("usage.table"), table({
            caption: t("usage.table"), rows,
            columns: [
                { name: by, label: by === "status" ? "usage.status" : undefined, show: (row) => (row[by] === null ? t("common.none") : paths[by] ? nameOf(row[by], `${base}/${paths[by]}`, nameIt) : String(row[by])) },
                { name: "cost", kind: "money", isNumber: true },
                { name: "share", isNumber: true, isWide: true, show: (row) => percent(Number(total.cost) > 0 ? Number(row.cost) / Number(total.cost) : 0) },
                { name: "calls", kind: "number", isNumber: true }, { name: "failed_calls", kind: "number", isNumber: true, isWide: true },
                { name: "input_tokens", kind: "number", isNumber: true, isWide: true }, { name: "output_tokens", kind: "number", isNumber: true, isWide: true },
                { name: "average_latency_ms", isNumber: true, isWide: true, show: (row) => `${whole(row.average_latency_ms)} ms` },
            ],
        }), exports(base, { ...now, group_by: by }), grouped.truncated && h("p", { class: "hint" }, t("usage.truncated"))),
        ended && endings(base, ended.data),
    ];
}
