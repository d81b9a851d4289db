// What one types into, by kind of field. Each answers `{element, input, read, write}`; a group of controls says
// `isGroup` instead of `input`. `read` answers what the API takes.

import { h, fill, icon, newID } from "./dom.js";
import { label, t } from "./words.js";

function text(field, value, id, attributes = {}) {
    const input = h("input", {
        id, name: field.name, type: "text", autocomplete: field.autocomplete ?? "off", placeholder: field.placeholder,
        spellcheck: "false", ...attributes,
    });
    input.value = value ?? "";
    const read = () => {
        const typed = attributes.type === "password" ? input.value : input.value.trim();
        return typed === "" && field.isNullable ? null : typed;
    };
    return { element: input, input, read, write: (other) => { input.value = other ?? ""; } };
}

function number(field, value, id) {
    const control = text(field, value, id, { inputmode: "numeric" });
    const read = () => {
        const typed = control.input.value.trim().replaceAll(/[\s_]/g, "");
        if (typed === "") return null;
        return Number.isFinite(Number(typed)) ? Number(typed) : typed;
    };
    return { ...control, read };
}

function longText(field, value, id) {
    const input = h("textarea", { id, name: field.name, rows: field.rows ?? 3 });
    input.value = value ?? "";
    return { element: input, input, read: () => input.value.trim(), write: (other) => { input.value = other ?? ""; } };
}

function flag(field, value, id) {
    const input = h("input", { id, name: field.name, type: "checkbox", checked: value ?? field.default ?? false });
    return { element: input, input, read: () => input.checked, write: (other) => { input.checked = other; } };
}

/// A password with a button that shows it.
function secret(field, value, id) {
    const control = text(field, value, id, { type: "password" });
    const button = h("button", {
        type: "button", class: "quiet", "aria-pressed": "false",
        onclick: () => {
            const isShown = control.input.type === "text";
            control.input.type = isShown ? "password" : "text";
            button.setAttribute("aria-pressed", String(!isShown));
            button.textContent = t(isShown ? "common.show" : "common.hide");
        },
    }, t("common.show"));
    return { ...control, element: h("div", { class: "beside" }, control.input, button) };
}

/// A time in the reader's own zone, sent in UTC.
function time(field, value, id) {
    const input = h("input", { id, name: field.name, type: "datetime-local" });
    const write = (other) => {
        if (!other) return void (input.value = "");
        const moment = new Date(other);
        input.value = new Date(moment - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    };
    write(value);
    const original = input.value;
    // Untouched it keeps the seconds it came with.
    const read = () => {
        if (input.value === "") return null;
        return input.value === original && value ? value : new Date(input.value).toISOString();
    };
    return { element: input, input, read, write };
}

function options(field) {
    return (field.values ?? []).map((one) => (Array.isArray(one) ? one : [one, label(field.words ?? field.name, one)]));
}

function choice(field, value, id) {
    const input = h("select", { id, name: field.name },
        (!field.required || field.placeholder) && h("option", { value: "" }, field.empty ? t(field.empty) : "—"),
        options(field).map(([one, name]) => h("option", { value: one }, name)));
    input.value = value ?? field.default ?? (field.required && !field.placeholder ? input.options[0]?.value : "") ?? "";
    return {
        element: input, input, read: () => input.value || null, write: (other) => { input.value = other ?? ""; },
    };
}

/// One of the things of a list of the API; long lists are searched by typing.
function reference(field, value, id) {
    const control = choice({ ...field, values: [], required: false }, null, id);
    let wanted = value ?? field.default ?? null;
    const first = control.input.options[0];
    Promise.resolve(field.things()).then((things) => {
        const names = [...things.values()].map((thing) => [thing.id ?? thing.user.id, field.title(thing)]);
        names.sort((one, other) => one[1].localeCompare(other[1]));
        if (wanted && !names.some(([one]) => one === wanted)) names.push([wanted, wanted]);
        fill(control.input, first, names.map(([one, name]) => h("option", { value: one }, name)));
        if (field.required && !wanted && names.length === 1) [[wanted]] = names;
        control.input.value = wanted ?? "";
        control.input.dispatchEvent(new Event("ready", { bubbles: true }));
    });
    control.input.addEventListener("change", () => { wanted = control.input.value || null; });
    return {
        ...control, read: () => wanted,
        write: (other) => {
            wanted = other ?? null;
            control.input.value = wanted ?? "";
        },
    };
}

/// Several of a few.
function choices(field, value, id) {
    const chosen = new Set(value ?? field.default ?? []);
    const boxes = options(field).map(([one, name]) => {
        const box = h("input", { type: "checkbox", value: one, checked: chosen.has(one), name: field.name });
        return { box, element: h("label", { class: "choice" }, box, h("span", {}, name)) };
    });
    const read = () => {
        const list = boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
        return list.length === 0 && field.isNullable ? null : list;
    };
    const write = (other) => { for (const { box } of boxes) box.checked = (other ?? []).includes(box.value); };
    return { isGroup: true, element: h("div", { class: "choices", id }, boxes.map((box) => box.element)), read, write };
}

/// Several things of a list of the API.
function references(field, value, id) {
    const element = h("div", { class: "choices", id }, h("p", { class: "hint" }, t("common.loading")));
    let inner = null;
    let waiting = value ?? [];
    Promise.resolve(field.things()).then((things) => {
        const values = [...things.values()].map((thing) => [thing.id ?? thing.user.id, field.title(thing)]);
        for (const one of waiting) if (!values.some(([known]) => known === one)) values.push([one, one]);
        inner = choices({ ...field, values }, waiting, `${id}-list`);
        fill(element, values.length > 0 ? inner.element : h("p", { class: "hint" }, t("common.nothing")));
    });
    return {
        isGroup: true, element, read: () => inner?.read() ?? waiting,
        write: (other) => {
            waiting = other ?? [];
            inner?.write(waiting);
        },
    };
}

/// Permissions, by noun.
function permissions(field, value, id) {
    const chosen = new Set(value ?? []);
    const groups = Object.groupBy ? Object.groupBy(field.values, (one) => one.split(":")[0]) : group(field.values);
    const boxes = [];
    const element = h("div", { class: "permissions", id }, Object.entries(groups).map(([noun, names]) => {
        const list = inOrder(names).map((name) => {
            const box = h("input", { type: "checkbox", value: name, checked: chosen.has(name) });
            boxes.push(box);
            return h("label", { class: "choice" }, box, h("span", {}, label("verb", name.split(":")[1])));
        });
        return h("div", { role: "group", "aria-label": label("nounName", noun) },
            h("strong", {}, label("nounName", noun)), h("div", { class: "choices" }, list));
    }));
    const read = () => boxes.filter((box) => box.checked).map((box) => box.value);
    return { isGroup: true, element, read, write: (other) => { for (const box of boxes) box.checked = other.includes(box.value); } };
}

/// Seeing comes before changing; what is rare comes last.
function inOrder(names) {
    const order = ["read", "create", "update", "delete"];
    const place = (name) => (order.indexOf(name.split(":")[1]) + order.length + 1) % (order.length + 1);
    return [...names].sort((one, other) => place(one) - place(other));
}

function group(names) {
    const groups = {};
    for (const name of names) (groups[name.split(":")[0]] ??= []).push(name);
    return groups;
}

/// Texts, one a line.
function lines(field, value, id) {
    const input = h("textarea", { id, name: field.name, rows: 3, spellcheck: "false", placeholder: field.placeholder });
    const write = (other) => { input.value = (other ?? []).join("\n"); };
    write(value);
    const read = () => input.value.split("\n").map((line) => line.trim()).filter(Boolean);
    return { element: input, input, read, write };
}

/// Names with texts.
function pairs(field, value, id) {
    const rows = h("div", { class: "pairs", id });
    const add = (name = "", content = "") => {
        const row = h("div", { class: "pair" },
            h("input", { value: name, "aria-label": t("pairs.name"), placeholder: t("pairs.name"), spellcheck: "false" }),
            h("input", { value: content, "aria-label": t("pairs.value"), placeholder: t("pairs.value"), spellcheck: "false" }),
            h("button", {
                type: "button", class: "quiet", "aria-label": t("common.remove"),
                onclick: () => {
                    row.remove();
                    rows.dispatchEvent(new Event("input", { bubbles: true }));
                },
            }, icon("close")));
        rows.append(row);
        return row;
    };
    const write = (other) => {
        rows.replaceChildren();
        for (const [name, content] of Object.entries(other ?? {})) add(name, content);
    };
    write(value);
    const read = () => Object.fromEntries([...rows.children].map((row) => [...row.querySelectorAll("input")].map(
        (input) => input.value)).filter(([name]) => name !== ""));
    const element = h("div", {}, rows, h("button", {
        type: "button", onclick: () => add().querySelector("input").focus(),
    }, icon("plus"), t("pairs.add")));
    return { isGroup: true, element, read, write };
}

/// Fields of an object inside.
function part(field, value, id) {
    const inner = field.fields.map((one) => {
        const control = controls[one.kind ?? "text"](one, value?.[one.name], newID(id));
        const error = h("p", { class: "error", hidden: true });
        return {
            name: one.name, control, error,
            element: control.isGroup
                ? h("div", { class: "field", role: "group", "aria-label": label("field", one.name) },
                    h("strong", {}, label("field", one.name)), control.element, error)
                : h("div", { class: "field" }, h("label", { htmlFor: control.input.id }, label("field", one.name)),
                    control.element, error),
        };
    });
    const read = () => {
        const kept = inner.map(({ name, control }) => [name, control.read()])
            .filter(([, one]) => one !== null && one !== "" && !(Array.isArray(one) && one.length === 0));
        return kept.length === 0 ? (field.empty ?? null) : Object.fromEntries(kept);
    };
    return {
        isGroup: true, element: h("div", { class: "columns", id }, inner.map((one) => one.element)), read,
        write: (other) => { for (const { name, control } of inner) control.write(other?.[name]); },
        complain: ([name], sentence) => {
            const found = inner.find((one) => one.name === name);
            if (!found) return null;
            found.error.textContent = sentence;
            found.error.hidden = false;
            return found.control.input ?? found.control.element;
        },
    };
}

/// Whole numbers, apart by commas.
function numbers(field, value, id) {
    const control = text(field, (value ?? []).join(", "), id, { inputmode: "numeric" });
    const read = () => control.input.value.split(/[\s,;]+/).filter(Boolean).map((one) => (Number.isInteger(Number(one)) ? Number(one) : one));
    return { ...control, read, write: (other) => { control.input.value = (other ?? []).join(", "); } };
}

/// A field that brings its own control: `field.make(value, id)`.
const custom = (field, value, id) => field.make(value, id);

export const controls = {
    text, number, longText, flag, secret, time, choice, reference, choices, references, permissions, lines, numbers, pairs, part,
    custom,
    email: (field, value, id) => text(field, value, id, { type: "email", inputmode: "email" }),
    decimal: (field, value, id) => text({ ...field, isNullable: !field.required }, value, id, { inputmode: "decimal" }),
};
