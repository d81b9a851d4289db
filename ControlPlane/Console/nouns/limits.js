// Limits and budgets: how much whom may use, and how much of it is left.

import { get, post } from "../core/api.js";
import { confirmDanger, notify } from "../core/dialog.js";
import { controls } from "../core/controls.js";
import { h, fill } from "../core/dom.js";
import { listen } from "../core/events.js";
import { innerList } from "../core/noun.js";
import { badge, card, description, failure, loading, moment, nameOf, table } from "../core/parts.js";
import { lookup, may } from "../core/session.js";
import { money, percent, t, whole } from "../core/words.js";

const under = (context) => `/tenants/${context.tenant}`;
const paths = { workspace: "workspaces", group: "groups", user: "members", key: "keys" };
const titleOf = (thing) => thing.user?.name ?? (thing.display_name || thing.name);
const metrics = ["cost", "requests", "total_tokens", "input_tokens", "output_tokens", "concurrency"];
const periods = ["second", "minute", "hour", "day", "week", "month", "lifetime", "open"];

const amount = (text, metric) => (metric === "cost" ? money(text) : whole(Number(text)));

const subjectKind = (subject, paths) => Object.keys(paths).find((kind) => subject?.[kind]) ?? "tenant";

/// Whose calls something is about. `of`: what it may be about, with the paths of their lists.
export function subjectName(row, context, of) {
    const kind = subjectKind(row.subject, of);
    if (kind === "tenant") return t("limit.subject.tenant");
    return h("span", {}, `${t(`limit.subject.${kind}`)} `, nameOf(row.subject[kind], `${under(context)}/${of[kind]}`, titleOf));
}

const ofPeriod = (row) => h("span", {}, `${amount(row.amount_now, row.metric)}${row.metric === "cost" ? "" : ` ${t(`limit.metric.${row.metric}`)}`} `,
    h("span", { class: "note" }, t(`limit.period.${row.period}`)));

/// Whom it binds: the kind, then which one.
export function subjectControl(context, value, id, of) {
    const place = h("div", { class: "beside", id });
    let which = null;
    const kind = controls.choice({
        name: "subject_kind", required: true, default: subjectKind(value, of), values: ["tenant", ...Object.keys(of)].map((one) => [one, t(`limit.subject.${one}`)]),
    }, null, `${id}-kind`);
    kind.input.setAttribute("aria-label", t("field.subject_kind"));
    const arrange = () => {
        const chosen = kind.read();
        which = chosen === "tenant" ? null : controls.reference({
            name: "subject_id", required: true, things: () => lookup(`${under(context)}/${of[chosen]}`), title: titleOf,
        }, value?.[chosen], `${id}-which`);
        which?.input.setAttribute("aria-label", t(`limit.subject.${chosen}`));
        fill(place, kind.element, which?.element);
    };
    kind.input.addEventListener("change", arrange);
    arrange();
    const read = () => (kind.read() === "tenant" ? {} : { [kind.read()]: which.read() });
    return { isGroup: true, element: place, read, complain: () => null };
}

// MARK: State

function bar(state, metric) {
    const whole = Math.max(Number(state.amount), Number(state.used) + Number(state.reserved), 1e-9);
    const share = (text) => Number(text) / whole;
    const piece = (name, text) => {
        const element = h("div", { class: `piece ${name}`, title: `${t(`limit.${name}`)}: ${amount(text, metric)}` });
        element.style.width = `${Math.max(0, share(text)) * 100}%`;
        return element;
    };
    return h("div", {
        class: "meter", role: "meter", "aria-valuemin": "0", "aria-valuemax": String(state.amount), "aria-valuenow": String(state.used),
        "aria-label": t("limit.usedOf", { used: amount(state.used, metric), amount: amount(state.amount, metric) }),
    }, piece("used", state.used), piece("reserved", state.reserved));
}

function stateCard(context, row) {
    const place = h("div", {}, loading("6rem"));
    const element = card(t("limit.state"), place);
    const read = async () => {
        try {
            const state = await get(`${context.one}/state`);
            const one = (name) => ({ name, label: `limit.${name}`, show: () => amount(state[name], row.metric) });
            fill(place, h("p", { class: "value" }, t("limit.usedOf", {
                used: amount(state.used, row.metric), amount: amount(state.amount, row.metric),
            }), " ", h("span", { class: "note" }, Number(state.amount) > 0 ? percent(Number(state.used) / Number(state.amount)) : "")),
            bar(state, row.metric), description([
                one("settled"), one("used"), one("reserved"), one("remaining"),
                ...(state.forecast ? [one("forecast")] : []),
                ...(state.window_starts_at ? [{ name: "window_starts_at", kind: "time" }] : []),
                ...(state.resets_at ? [{ name: "resets_at", kind: "time" }] : []),
            ], state), grants(context, state, row, read));
        } catch (problem) {
            fill(place, failure(problem, read));
        }
    };
    read();
    let timer = null;
    const stop = listen((kind) => {
        if (!element.isConnected) return void stop();
        if ((kind !== "usage" && kind !== "again") || timer) return;
        timer = setTimeout(() => {
            timer = null;
            if (element.isConnected) read();
        }, 2000);
    });
    return element;
}

/// Where the lent slices are. A node that is gone for good keeps its own until somebody writes it off.
function grants(context, state, row, read) {
    if (state.grants.length === 0) return h("p", { class: "hint" }, t("limit.noGrants"));
    const cell = (grant, name) => h("td", { class: "number" }, amount(grant[name], row.metric));
    return h("div", { class: "table" }, h("table", {}, h("caption", { class: "unseen" }, t("limit.grants")),
        h("thead", {}, h("tr", {}, [["field.node", ""], ["limit.lent", "number"], ["limit.used", "number"], ["limit.held", "number wide"], ["field.last_seen_at", "wide"], ["common.actions", ""]]
            .map(([key, kind]) => h("th", { scope: "col", class: kind }, t(key))))),
        h("tbody", {}, state.grants.map((grant) => h("tr", {}, h("th", { scope: "row" }, nameOf(grant.node, "/nodes", titleOf), " ",
            grant.orphan && badge("orphan"), grant.written_off && badge("written_off")), cell(grant, "lent"), cell(grant, "used"),
        h("td", { class: "number wide" }, amount(grant.held, row.metric)), h("td", { class: "wide" }, moment(grant.seen_at)),
        h("td", {}, grant.orphan && !grant.written_off && may("limits:update", context.tenant) && h("button", {
            type: "button", class: "small danger quiet", onclick: async () => {
                if (!await confirmDanger({ title: t("limit.writeOff"), text: t("limit.writeOffText"), action: t("limit.writeOff") })) return;
                await post(`${context.one}/write-off`, { node: grant.node }).then(read, (problem) => notify(problem.text, "bad"));
            },
        }, t("limit.writeOff"))))))));
}

const parts = (context, row) => row.partition_by !== "none" && innerList(context, {
    title: "limit.parts", about: "limit.partsAbout", path: `${context.one}/parts`,
    columns: [
        { name: "part" }, ...["amount", "used", "reserved", "remaining"].map((name) => ({
            name, label: `limit.${name}`, isNumber: true, isWide: name === "reserved", show: (one) => amount(one[name], row.metric),
        })),
    ],
});

/// What was used in the windows before.
function historyCard(context, row) {
    if (row.kind !== "budget" || row.period === "lifetime") return null;
    const place = h("div", {}, loading("6rem"));
    get(`${context.one}/history`).then(({ windows }) => fill(place, windows.length === 0 ? h("p", { class: "hint" }, t("common.nothing")) : table({
        caption: t("limit.history"), rows: windows.slice(0, 31), columns: [
            { name: "starts_at", label: "field.window_starts_at", kind: "time" }, { name: "ends_at", label: "limit.until", kind: "time", isWide: true },
            { name: "used", label: "limit.used", isNumber: true, show: (one) => amount(one.used, row.metric) },
            { name: "share", label: "limit.share", isNumber: true, isWide: true, show: (one) => percent(Number(row.amount_now) > 0 ? Number(one.used) / Number(row.amount_now) : 0) },
        ],
    })), (problem) => fill(place, failure(problem)));
    return card(t("limit.history"), h("p", { class: "about" }, t("limit.historyAbout")), place);
}

const alerts = (context, row) => row.kind === "budget" && innerList(context, {
    title: "limit.alerts", empty: "limit.noAlerts", path: `${under(context)}/limit-alerts?of=${row.id}`,
    columns: [
        { name: "threshold", label: "limit.threshold", show: (one) => percent(one.threshold / 100) },
        { name: "used", label: "limit.used", isNumber: true, show: (one) => amount(one.used, row.metric) },
        { name: "crossed_at", kind: "time", label: "limit.crossed" },
    ],
});

const matched = (name, path) => (row, context) => (row.match[name].length === 0 ? t("common.all") : h("span", { class: "tags" },
    row.match[name].map((one) => h("span", { class: "tag" }, path ? nameOf(one, `${under(context)}/${path}`, titleOf) : one))));

export const limits = {
    name: "limits", kind: "limit", path: (context) => `${under(context)}/limits`,
    permissions: { read: "limits:read", create: "limits:create", update: "limits:update", delete: "limits:delete" },
    title: (row) => row.name,
    columns: [
        { name: "name" }, { name: "subject", show: (row, context) => subjectName(row, context, paths), isWide: true }, { name: "amount", show: ofPeriod },
        { name: "kind", show: (row) => t(`limit.kind.${row.kind}`), isWide: true }, { name: "mode", show: (row) => badge(row.mode, "limit.mode") },
    ],
    filters: () => [
        { name: "kind", kind: "choice", values: ["rate", "concurrency", "budget"].map((one) => [one, t(`limit.kind.${one}`)]) },
        { name: "subject", kind: "choice", values: ["tenant", ...Object.keys(paths)].map((one) => [one, t(`limit.subject.${one}`)]) },
        { name: "mode", kind: "choice", values: ["enforce", "soft", "shadow"].map((one) => [one, t(`limit.mode.${one}`)]) },
    ],
    details: [
        { name: "subject", show: (row, context) => subjectName(row, context, paths) }, { name: "amount", show: ofPeriod }, { name: "kind", show: (row) => t(`limit.kind.${row.kind}`) },
        { name: "mode", show: (row) => badge(row.mode, "limit.mode") }, { name: "partition_by", show: (row) => t(`limit.partition.${row.partition_by}`) },
        { name: "routes", show: matched("routes", "routes") }, { name: "models", label: "noun.models.many", show: matched("models", "models") },
        { name: "tags", show: matched("tags") },
        { name: "thresholds", show: (row) => row.thresholds.map((one) => percent(one / 100)).join(", ") || "—" },
        { name: "increase", show: (row) => (row.increase ? h("span", {}, `+${amount(row.increase.amount, row.metric)} `, moment(row.increase.expires_at)) : "—") },
        { name: "time_zone" }, { name: "id", kind: "code" }, { name: "created_at", kind: "time" }, { name: "updated_at", kind: "time" },
    ],
    fields: (context) => [
        { name: "name", required: true, hint: "hint.limitName" },
        { name: "subject", kind: "custom", on: "create", make: (value, id) => subjectControl(context, value, id, paths) },
        { name: "metric", kind: "choice", required: true, on: "create", values: metrics.map((one) => [one, t(`limit.metric.${one}`)]) },
        { name: "amount", kind: "decimal", required: true, hint: "hint.limitAmount" },
        { name: "period", kind: "choice", required: true, on: "create", default: "month", hint: "hint.limitPeriod", values: periods.map((one) => [one, t(`limit.period.${one}`)]) },
        { name: "mode", kind: "choice", required: true, default: "enforce", hint: "hint.limitMode", values: ["enforce", "soft", "shadow"].map((one) => [one, t(`limit.mode.${one}`)]) },
        {
            name: "increase", kind: "part", on: "update", hint: "hint.limitIncrease",
            fields: [{ name: "amount", kind: "decimal" }, { name: "expires_at", kind: "time" }],
        },
        {
            name: "partition_by", kind: "choice", required: true, on: "create", isRare: true, default: "none", hint: "hint.limitPartition",
            values: ["none", "workspace", "key", "user", "tag"].map((one) => [one, t(`limit.partition.${one}`)]),
        },
        {
            name: "match", kind: "part", isRare: true, empty: {}, hint: "hint.limitMatch", fields: [
                { name: "routes", kind: "references", things: () => lookup(`${under(context)}/routes`), title: titleOf },
                { name: "models", kind: "references", things: () => lookup(`${under(context)}/models`), title: titleOf },
                { name: "tags", kind: "lines" },
            ],
        },
        { name: "thresholds", kind: "numbers", isRare: true, hint: "hint.limitThresholds", placeholder: "50, 80, 100" },
        { name: "time_zone", isRare: true, on: "create", isNullable: true, hint: "hint.limitZone" },
    ],
    sections: [stateCard, historyCard, parts, alerts],
};

/// How full the fullest budgets are, for the dashboard.
export async function budgetsCard(tenant) {
    if (!may("limits:read", tenant)) return null;
    const context = { tenant };
    const { data } = await get(`${under(context)}/limits`, { kind: "budget", limit: 20 });
    if (data.length === 0) return null;
    const states = await Promise.all(data.filter((one) => one.partition_by === "none").map(async (one) => ({
        row: one, state: await get(`${under(context)}/limits/${one.id}/state`),
    })));
    states.sort((one, other) => Number(other.state.used) / Number(other.state.amount) - Number(one.state.used) / Number(one.state.amount));
    return card(t("limit.budgets"), h("div", { class: "meters" }, states.slice(0, 6).map(({ row, state }) => h("div", {},
        h("div", { class: "card-head" }, h("a", { href: `/console/tenants/${tenant}/limits/${row.id}` }, row.name),
            h("span", { class: "note" }, t("limit.usedOf", { used: amount(state.used, row.metric), amount: amount(state.amount, row.metric) }),
                Number(state.reserved) > 0 && ` · ${t("limit.reserved")}: ${amount(state.reserved, row.metric)}`)),
        bar(state, row.metric)))));
}
