// Parts pages are made of.

import { address } from "./api.js";
import { h, icon } from "./dom.js";
import { href } from "./router.js";
import { lookup, may, me } from "./session.js";
import { actionName, ago, browserName, bytes, label, languages, money, t, time, whole } from "./words.js";

/// The head of a page: where one is, what this is, what one can do.
export function pageHead({ title, about, trail = [], buttons = [] }) {
    return h("header", { class: "page-head" },
        trail.length > 0 && h("nav", { "aria-label": t("common.trail"), class: "trail" }, trail.map(([name, path]) =>
            [h("a", { href: href(path) }, name), h("span", { "aria-hidden": "true" }, "/")])),
        h("div", { class: "page-title" }, h("div", {}, h("h1", { tabIndex: -1 }, title),
            about && h("p", { class: "about" }, about)),
        h("div", { class: "buttons" }, buttons)));
}

export const linkButton = (path, text, { kind = "", symbol = null } = {}) =>
    h("a", { class: `button ${kind}`, href: href(path) }, symbol && icon(symbol), text);

/// What stands where nothing is yet: what the thing is for, and the first step.
export function emptyState({ title, text, button }) {
    return h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), button);
}

/// Buttons that bring the whole of a list as files, as it is filtered when they are pressed.
export const exportButtons = (path) => ["csv", "ndjson"].map((format) => {
    const target = () => address(path, { ...Object.fromEntries(new URLSearchParams(location.search)), format });
    return h("a", {
        class: "button", download: "", href: target(), onclick: (event) => { event.currentTarget.href = target(); },
    }, t("common.export", { format: format.toUpperCase() }));
});

const tones = {
    active: "good", ready: "good", sent: "good", done: "good", passed: "good", open: "good", enabled: "good",
    live: "good", resolved: "good", answered: "good", complete: "good", connected: "good", enforce: "good",
    revoked: "bad", failed: "bad", deleting: "bad", credential_rejected: "bad", unreachable: "bad", disconnected: "bad",
    stopped: "bad", firing: "bad", critical: "bad", broken: "bad", exhausted: "bad", refused: "bad",
    suspended: "warning", expired: "warning", draining: "warning", not_yet_valid: "warning", waiting: "warning",
    frozen: "warning", disabled: "warning", canary: "warning", tenth: "warning", running: "warning", requested: "warning",
    shadow: "warning", estimated: "warning", unpriced: "warning",
};

/// A state as a word in a pill; the colour only repeats it.
export const badge = (name, group = "status") =>
    h("span", { class: `badge ${tones[name] ?? ""}` }, label(group, name));

export const moment = (text) => (text ? h("time", { datetime: text, title: time(text) }, ago(text)) : "—");

/// A text that may break after its punctuation where it is too long for its place.
const breaking = (text) => String(text).split(/(?<=[_@./-])/).map((part) => [part, h("wbr")]);

export const code = (text) => (text ? h("code", {}, breaking(text)) : "—");

/// The name of a thing by its ID; the ID until it is known, and when it may not be read.
export function nameOf(id, path, title) {
    if (!id) return "—";
    const element = h("span", { title: id }, id);
    lookup(path).then((things) => {
        const thing = things.get(id);
        if (thing) element.textContent = title(thing);
        else element.className = "mono";
    });
    return element;
}

/// What was done or refused, as the audit log names it.
export const actionOf = ({ action, details }) =>
    (details?.refused ? [actionName(action, true), " ", badge("refused")] : actionName(action));

/// Who did something, as the audit log names them.
export const actorName = (row, context) => {
    const at = context.tenant ? `/tenants/${context.tenant}` : "";
    if (!row.actor) return t("audit.nobody");
    if (row.actor === me().id) return me().name;
    if (!row.actor.startsWith("user_")) return nameOf(row.actor, `${at}/service-accounts`, (one) => one.name);
    const people = context.tenant && !may("users:read") ? `${at}/members` : "/users";
    return nameOf(row.actor, people, (one) => (one.user ?? one).name);
};

export function card(title, ...content) {
    return h("section", { class: "card" }, title && h("h2", {}, title), content);
}

/// One figure with what it was before.
export function figure(name, value, { before = null, isGoodUp = null, note = null } = {}) {
    let change = null;
    if (before !== null && before.value > 0) {
        const share = (before.now - before.value) / before.value;
        const tone = isGoodUp === null || Math.abs(share) < 0.005 ? "" : (share > 0) === isGoodUp ? "good" : "bad";
        const text = new Intl.NumberFormat(document.documentElement.lang, {
            style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero",
        }).format(share);
        change = h("span", { class: `change ${tone}`, title: t("figure.before") }, text);
    }
    return h("div", { class: "figure card" }, h("h2", {}, name), h("p", { class: "value" }, value),
        h("p", { class: "note" }, change, " ", note ?? (change ? t("figure.before") : "")));
}

/// What a cell shows, by kind.
export const cells = {
    text: (value) => (value === null || value === undefined || value === "" ? "—" : h("span", {}, breaking(value))),
    code: (value) => code(value),
    badge: (value, column) => (value === null ? "—" : badge(value, column.words)),
    flag: (value) => t(value ? "common.yes" : "common.no"),
    enabled: (value) => badge(value ? "enabled" : "disabled"),
    time: (value) => (value ? h("time", { class: "long", datetime: value }, time(value)) : "—"),
    day: (value) => (value ? h("time", { datetime: value }, value) : "—"),
    ago: (value) => moment(value),
    language: (value) => languages[value] ?? value,
    browser: (value) => h("span", { title: value }, browserName(value)),
    number: (value) => (value === null ? "—" : whole(value)),
    bytes: (value) => (value === null ? "—" : bytes(value)),
    money: (value) => money(value),
    list: (value, column) => (value?.length > 0
        ? h("span", { class: "tags" }, value.slice(0, 8).map((one) => h("span", { class: "tag" },
            column.words ? label(column.words, one) : one)), value.length > 8 && ` +${value.length - 8}`)
        : column.none ? t(column.none) : "—"),
    pairs: (value) => (value && Object.keys(value).length > 0
        ? h("span", { class: "tags" }, Object.entries(value).map(([name, one]) => h("span", { class: "tag" }, `${name} = ${one}`)))
        : "—"),
    json: (value) => h("pre", { tabIndex: 0 }, JSON.stringify(value, null, 2)),
};

/// The content of a cell of a row.
export function cell(column, row, context) {
    if (column.show) return column.show(row, context);
    return cells[column.kind ?? "text"](row[column.name], column);
}

/// A table of rows. Columns of lesser weight (`isWide`) leave when there is little room.
export function table({ caption, columns, rows, context, words = "field", link = null }) {
    return h("div", { class: "table" }, h("table", {},
        h("caption", { class: "unseen" }, caption),
        h("thead", {}, h("tr", {}, columns.map((column) => h("th", {
            scope: "col", class: [column.isWide && "wide", column.isNumber && "number"].filter(Boolean).join(" "),
        }, column.label ? t(column.label) : label(words, column.name))))),
        h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((column, index) => {
            const target = index === 0 && link ? link(row) : null;
            const content = cell(column, row, context);
            return h(index === 0 ? "th" : "td", {
                scope: index === 0 ? "row" : null,
                class: [column.isWide && "wide", column.isNumber && "number"].filter(Boolean).join(" "),
            }, target ? h("a", { href: href(target) }, content) : content);
        }))))));
}

/// Names and values one below the other.
export function description(columns, row, context, words = "field") {
    return h("dl", { class: "description" }, columns.map((column) => h("div", {},
        h("dt", {}, column.label ? t(column.label) : label(words, column.name)), h("dd", {}, cell(column, row, context)))));
}

/// Grey bars while something is read; takes the room that it will need.
export const loading = (height = "12rem") => {
    const element = h("div", { class: "loading", role: "status" }, h("span", { class: "unseen" }, t("common.loading")));
    element.style.minHeight = height;
    return element;
};

/// Shows what could not be read, with a way to try again.
export function failure(problem, again) {
    if (!("code" in problem)) console.error(problem);
    return h("div", { class: "empty", role: "alert" },
        h("h2", {}, t(problem.status === 404 ? "failure.notFound" : problem.status === 403 ? "failure.forbidden" : "failure.title")),
        h("p", {}, problem.status === 404 ? t("failure.notFoundText") : problem.text ?? String(problem)),
        problem.requestID && h("p", { class: "hint" }, `${t("common.request")} ${problem.requestID}`),
        again && problem.status !== 403 && h("button", { type: "button", onclick: again }, icon("refresh"), t("failure.again")));
}
