// Forms from descriptions of their fields. What the API says about a field stands beside it; nothing typed is lost.

import { h, append, fill, icon, newID } from "./dom.js";
import { controls } from "./controls.js";
import { currentLanguage, hasWord, label, t } from "./words.js";

/// A form. `fields`: `{name, kind, required, values, reference, hint, …}` (see controls.js). `value`: what they have
/// now; an `isRare` one stands behind “more” until it has a value. `save(value, changed)` sends it and throws the API's problem; false: it is not saved. `only`: "changes" sends what differs.
///
/// Answers `{element, isDirty, value, set}`.
export function makeForm({ fields, value = {}, save, submit, cancel, only = "all", words = "field", extra = [] }) {
    const parts = fields.map((field) => makeField(field, value[field.name], words));
    const summary = h("div", { class: "callout bad", role: "alert", hidden: true, tabIndex: -1 });
    const button = h("button", { class: "primary" }, submit ?? t("common.save"));
    let base = read(parts);

    const rare = parts.filter((part) => part.field.isRare);
    const more = rare.length > 0 && h("details", {
        class: "more", open: rare.some((part) => !isEmpty(part.control.read()) && part.control.read() !== false),
    }, h("summary", {}, t("common.more")), rare.map((part) => part.element));
    const form = h("form", { noValidate: true, class: "form" }, summary,
        parts.filter((part) => !part.field.isRare).map((part) => part.element), more, extra,
        h("div", { class: "buttons" },
            cancel && h("button", { type: "button", onclick: cancel }, t("common.cancel")), button));
    const arrange = () => {
        const now = read(parts);
        for (const part of parts) {
            if (part.field.when) part.element.hidden = !part.field.when(now);
        }
    };
    form.addEventListener("input", arrange);
    form.addEventListener("change", arrange);
    // What a control chose by itself is not typed.
    form.addEventListener("ready", (event) => {
        const part = parts.find((one) => one.element.contains(event.target));
        if (part) base[part.field.name] = part.control.read();
    });
    arrange();

    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (button.getAttribute("aria-busy")) return;
        clear(parts, summary);
        const missing = parts.filter((part) => !part.element.hidden && part.field.required && isEmpty(part.control.read()));
        if (missing.length > 0) {
            complain(missing.map((part) => ({
                pointer: `/${part.field.name}`, code: "required", message: t("problem.required"),
            })), parts, summary);
            return;
        }
        const now = read(parts);
        const changed = differences(base, now);
        button.setAttribute("aria-busy", "true");
        try {
            const isSaved = await save(only === "changes" ? changed : withoutEmpty(now, parts), changed);
            if (isSaved !== false) base = read(parts);
        } catch (problem) {
            show(problem, parts, summary);
        } finally {
            button.removeAttribute("aria-busy");
        }
    });

    return {
        element: form, parts,
        isDirty: () => form.isConnected && Object.keys(differences(base, read(parts))).length > 0,
        value: () => read(parts),
        /// Somebody else's value becomes what is compared with; what was typed stays.
        rebase: (theirs) => {
            const before = base;
            const mine = differences(before, read(parts));
            for (const part of parts) {
                if (!(part.field.name in mine)) part.control.write?.(theirs[part.field.name]);
            }
            base = { ...before, ...Object.fromEntries(fields.map(({ name }) => [name, theirs[name] ?? null])) };
        },
        problem: (problem) => show(problem, parts, summary),
    };
}

const isEmpty = (value) => value === null || value === undefined || value === ""
    || (Array.isArray(value) && value.length === 0) || (typeof value === "object" && Object.keys(value).length === 0);

function read(parts) {
    return Object.fromEntries(parts.map((part) => [part.field.name, part.control.read()]));
}

/// A new thing leaves out what was not given: the API has its own defaults.
function withoutEmpty(value, parts) {
    const kept = {};
    for (const part of parts) {
        const one = value[part.field.name];
        if (part.field.local || part.element.hidden || (isEmpty(one) && !part.field.required)) continue;
        kept[part.field.name] = one;
    }
    return kept;
}

function differences(before, after) {
    const changed = {};
    for (const name of Object.keys(after)) {
        if (JSON.stringify(before[name] ?? null) !== JSON.stringify(after[name] ?? null)) changed[name] = after[name];
    }
    return changed;
}

function makeField(field, value, words) {
    const id = newID("field");
    const hintKey = field.hint ?? (hasWord(`hint.${field.name}`) ? `hint.${field.name}` : null);
    const hint = hintKey && h("p", { class: "hint", id: `${id}-hint` }, t(hintKey));
    const error = h("p", { class: "error", id: `${id}-error`, hidden: true });
    const control = controls[field.kind ?? "text"](field, value, id);
    const described = [hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ");
    const name = field.label ? t(field.label) : label(words, field.name);
    const marker = field.required ? h("span", { class: "required", "aria-hidden": "true" }, " *") : null;
    let element;
    if (control.isGroup) {
        element = h("fieldset", { class: "field", "aria-describedby": described },
            h("legend", {}, name, marker), hint, control.element, error);
    } else {
        control.input.setAttribute("aria-describedby", described);
        if (field.required) control.input.setAttribute("aria-required", "true");
        element = field.kind === "flag"
            ? h("div", { class: "field flag" }, h("label", { htmlFor: id }, control.element, h("span", {}, name)), hint, error)
            : h("div", { class: "field" }, h("label", { htmlFor: id }, name, marker), hint, control.element, error);
    }
    return { field, control, element, error };
}

// MARK: Problems

function clear(parts, summary) {
    summary.hidden = true;
    for (const part of parts) {
        part.error.hidden = true;
        part.element.classList.remove("invalid");
        (part.control.input ?? part.element).removeAttribute("aria-invalid");
    }
}

/// What a field's problem is called: the API's sentence, which says what would be right.
function sentence(problem) {
    if (currentLanguage() === "en" || !hasWord(`problem.${problem.code}`)) return problem.message;
    return problem.message === t(`problem.${problem.code}`)
        ? problem.message : `${t(`problem.${problem.code}`)} (${problem.message})`;
}

function complain(problems, parts, summary) {
    const unplaced = [];
    let first = null;
    for (const problem of problems) {
        const [name, ...rest] = problem.pointer.replace(/^\//, "").split("/");
        const part = parts.find((part) => part.field.name === name && !part.element.hidden);
        if (!part) {
            unplaced.push(problem);
            continue;
        }
        const inside = part.control.complain?.(rest, sentence(problem));
        if (!inside) {
            const place = rest.length > 0 ? `${rest.join(" / ")}: ` : "";
            part.error.textContent = part.error.hidden ? place + sentence(problem)
                : `${part.error.textContent} ${place}${sentence(problem)}`;
            part.error.hidden = false;
        }
        part.element.classList.add("invalid");
        const hiding = part.element.closest("details");
        if (hiding) hiding.open = true;
        (part.control.input ?? part.element).setAttribute("aria-invalid", "true");
        first ??= inside || part.control.input || part.element.querySelector("input, select, textarea, button");
    }
    if (unplaced.length > 0) {
        fill(summary, icon("warning"), h("div", {}, unplaced.map((problem) => h("p", {},
            `${problem.pointer.replace(/^\//, "")} ${sentence(problem)}`))));
        summary.hidden = false;
    }
    (first ?? summary).focus();
}

function show(problem, parts, summary) {
    if (problem.fields?.length > 0) {
        complain(problem.fields, parts, summary);
        return;
    }
    if (!("code" in problem)) console.error(problem);
    fill(summary, icon("warning"));
    append(summary, [h("div", {}, h("p", {}, problem.text ?? String(problem)),
        problem.requestID && h("p", { class: "hint" }, `${t("common.request")} ${problem.requestID}`))]);
    summary.hidden = false;
    summary.focus();
}
