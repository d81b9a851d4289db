// Pages of a noun from its description: the list, one of them, a new one, changing one.
//
// A description: `{name, kind, path(context), permissions: {read, create, update, delete}, title(row), columns, details,
// fields(context), filters, actions, sections, created(context, answer), thing(answer)}`; see nouns/.

import { get, patch, post, request } from "./api.js";
import { confirmDanger, doing, notify } from "./dialog.js";
import { h, fill, icon } from "./dom.js";
import { listen } from "./events.js";
import { makeForm } from "./form.js";
import { controls } from "./controls.js";
import { description, emptyState, failure, linkButton, loading, pageHead, table } from "./parts.js";
import { go, guard, hasTyped } from "./router.js";
import { forgetNames, may } from "./session.js";
import { label, t } from "./words.js";

const pageSize = 50;

const allowed = (noun, verb, context) => {
    const permission = noun.permissions?.[verb];
    return permission !== undefined && (permission === null || may(permission, context.tenant));
};

const words = (noun, part) => t(`noun.${noun.name}.${part}`);
const idOf = (noun, row) => (noun.id ? noun.id(row) : row.id);

/// Whether somebody is at what must not vanish under them: a dialog, a form they opened, text they typed.
const isAtWork = (element) => document.querySelector("dialog") !== null || element.querySelector("form[data-open]") !== null || hasTyped();

/// Calls `changed` when somebody wrote such a thing, until the page goes. Many at once count as one; while somebody
/// types it waits.
function whenWritten(noun, element, changed, isAbout = () => true) {
    let timer = null;
    const tell = () => {
        if (!element.isConnected) return;
        if (isAtWork(element)) timer = setTimeout(tell, 1000);
        else changed();
    };
    const stop = listen((kind, data) => {
        if (!element.isConnected) return void stop();
        const isOurs = kind === "again" || (kind === "audit" && data.target_kind === noun.kind)
            || (noun.event && kind === noun.event);
        if (!isOurs || !isAbout(data ?? {})) return;
        clearTimeout(timer);
        timer = setTimeout(tell, 300);
    });
}

// MARK: The list

export function listPage(noun, context) {
    const filters = { ...(noun.defaults ?? {}), ...Object.fromEntries(new URLSearchParams(location.search)) };
    const place = h("div", { class: "rows" }, loading());
    const trail = [];
    const create = allowed(noun, "create", context) && !noun.isSelfMade
        ? linkButton(`${context.at}/new`, words(noun, "create"), { kind: "primary", symbol: "plus" }) : null;
    const page = h("div", {}, pageHead({
        title: words(noun, "many"), about: words(noun, "about"),
        buttons: [...(noun.listButtons?.(context) ?? []), create],
    }), noun.filters && filterBar(noun, filters, context, () => read(null)), place);

    async function read(cursor, isQuiet = false) {
        if (!isQuiet) place.setAttribute("aria-busy", "true");
        try {
            const found = noun.list
                ? await noun.list(context, { ...filters, cursor })
                : await get(noun.path(context), { ...filters, limit: pageSize, cursor });
            show(found, cursor);
        } catch (problem) {
            fill(place, failure(problem, () => read(cursor)));
        }
        place.removeAttribute("aria-busy");
    }

    function show(found, cursor) {
        if (found.data.length === 0 && cursor === null && trail.length === 0) {
            const isFiltered = Object.values(filters).some(Boolean);
            fill(place, emptyState({
                title: t(isFiltered ? "list.noMatch" : `noun.${noun.name}.empty`),
                text: t(isFiltered ? "list.noMatchText" : `noun.${noun.name}.teach`),
                button: !isFiltered && create ? linkButton(`${context.at}/new`, words(noun, "create"),
                    { kind: "primary", symbol: "plus" }) : null,
            }));
            return;
        }
        fill(place, table({
            caption: words(noun, "many"), columns: noun.columns, rows: found.data, context,
            link: noun.hasPage === false ? null : (row) => `${context.at}/${encodeURIComponent(idOf(noun, row))}`,
        }), (trail.length > 0 || found.next_cursor) && h("nav", { class: "pager", "aria-label": t("list.pages") },
            h("button", {
                type: "button", disabled: trail.length === 0,
                onclick: () => { const back = trail.pop(); read(back); },
            }, t("list.back")),
            h("span", {}, t("list.page", { page: trail.length + 1 })),
            h("button", {
                type: "button", disabled: !found.next_cursor,
                onclick: () => { trail.push(cursor); read(found.next_cursor); },
            }, t("list.next"))));
    }

    read(null);
    whenWritten(noun, page, () => { if (trail.length === 0) read(null, true); });
    return page;
}

function filterBar(noun, filters, context, changed) {
    let timer = null;
    const parts = noun.filters(context).map((field) => {
        const control = controls[field.kind ?? "text"](field, filters[field.name], `filter-${field.name}`);
        const note = () => {
            filters[field.name] = control.read();
            clearTimeout(timer);
            timer = setTimeout(() => {
                const url = new URL(location.href);
                for (const [name, value] of Object.entries(filters)) {
                    if (value) url.searchParams.set(name, value);
                    else url.searchParams.delete(name);
                }
                history.replaceState(null, "", url);
                changed();
            }, 250);
        };
        control.input.addEventListener("input", note);
        control.input.addEventListener("change", note);
        return h("div", { class: "field" }, h("label", { htmlFor: `filter-${field.name}` },
            field.label ? t(field.label) : label("field", field.name)), control.element);
    });
    return h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() }, parts);
}

// MARK: One of them

const trailOf = (noun, context) => [[words(noun, "many"), context.at]];

export function detailPage(noun, context, id) {
    const page = h("div", {}, loading("20rem"));
    const one = `${noun.path(context)}/${encodeURIComponent(id)}`;

    async function read() {
        try {
            const { body, etag } = await request("GET", one);
            show(noun.row ? noun.row(body) : body, body, etag);
        } catch (problem) {
            fill(page, pageHead({ title: words(noun, "one"), trail: trailOf(noun, context) }),
                failure(problem, read));
        }
    }

    function show(row, whole, etag) {
        const inside = { ...context, id, one, reload: read, whole, etag };
        document.title = `${noun.title(row)} · Eclusa`;
        const buttons = (noun.actions ?? [])
            .filter((action) => (!action.when || action.when(row, inside))
                && (!action.permission || may(action.permission, context.tenant)))
            .map((action) => h("button", {
                type: "button", class: action.isDanger ? "danger quiet" : "",
                onclick: (event) => doing(event.currentTarget, () => action.run(inside, row)),
            }, t(`action.${action.name}`)));
        const canUpdate = allowed(noun, "update", context) && (!noun.mayUpdate || noun.mayUpdate(row, inside));
        const canDelete = allowed(noun, "delete", context) && (!noun.mayDelete || noun.mayDelete(row, inside));
        fill(page, pageHead({
            title: noun.title(row), about: noun.subtitle?.(row), trail: trailOf(noun, context),
            buttons: [
                buttons,
                canDelete && h("button", {
                    type: "button", class: "danger quiet",
                    onclick: (event) => doing(event.currentTarget, () => erase(noun, inside, row)),
                }, t("common.delete")),
                canUpdate && linkButton(`${context.at}/${encodeURIComponent(id)}/edit`, t("common.edit"), { kind: "primary" }),
            ],
        }), h("div", { class: "detail" },
            h("section", { class: "card" }, description(noun.details ?? noun.columns, row, inside)),
            (noun.sections ?? []).map((section) => section(inside, row))));
    }

    read();
    whenWritten(noun, page, read, (data) => !data.target_id || data.target_id === id);
    return page;
}

async function erase(noun, context, row) {
    const isSure = await confirmDanger({
        title: t("confirm.delete", { name: noun.title(row) }), text: words(noun, "deleteText"),
        action: t("common.delete"), name: noun.isDeleteTyped ? noun.title(row) : null,
    });
    if (!isSure) return;
    await request("DELETE", context.one, { etag: context.etag });
    forgetNames();
    notify(t("common.deleted"));
    await noun.deleted?.(context);
    await go(context.at);
}

// MARK: A new one

export function createPage(noun, context) {
    const key = crypto.randomUUID?.();
    const fields = noun.fields(context).filter((field) => field.on !== "update");
    const presets = Object.fromEntries(new URLSearchParams(location.search));
    const form = makeForm({
        fields, value: { ...noun.initial?.(context), ...presets }, submit: words(noun, "create"),
        cancel: () => go(context.at),
        save: async (value) => {
            const body = noun.toCreate ? noun.toCreate(value) : value;
            // A repeated press after a lost answer makes one thing, not two.
            const answer = await post(noun.path(context), body, { key: key && `${key}-${await digest(body)}` });
            forgetNames();
            guard(() => false);
            const row = noun.thing ? noun.thing(answer) : answer;
            await noun.created?.(context, answer, row);
            notify(t("common.created"));
            await go(noun.hasPage === false ? context.at : `${context.at}/${encodeURIComponent(idOf(noun, row))}`, { force: true });
        },
    });
    guard(form.isDirty);
    return h("div", {}, pageHead({
        title: words(noun, "create"), about: words(noun, "createText"), trail: trailOf(noun, context),
    }), h("section", { class: "card" }, form.element));
}

async function digest(body) {
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    let sum = 0;
    for (const byte of bytes) sum = (sum * 31 + byte) >>> 0;
    return sum.toString(36);
}

// MARK: Changing one

export function editPage(noun, context, id) {
    const page = h("div", {}, loading("20rem"));
    const one = `${noun.path(context)}/${encodeURIComponent(id)}`;

    async function read() {
        try {
            const { body, etag } = await request("GET", one);
            show(noun.row ? noun.row(body) : body, etag);
        } catch (problem) {
            fill(page, pageHead({ title: t("common.edit"), trail: trailOf(noun, context) }), failure(problem, read));
        }
    }

    function show(row, firstTag) {
        let tag = firstTag;
        const back = `${context.at}/${encodeURIComponent(id)}`;
        const fields = noun.fields({ ...context, row }).filter((field) => field.on !== "create");
        const conflict = h("div", { hidden: true });
        const form = makeForm({
            fields, value: row, only: "changes", cancel: () => go(back), extra: conflict,
            save: async (changes) => {
                if (Object.keys(changes).length > 0) {
                    try {
                        await patch(one, noun.toUpdate ? noun.toUpdate(changes) : changes, { etag: tag });
                    } catch (problem) {
                        if (problem.code !== "precondition_failed") throw problem;
                        await explainConflict();
                        return false;
                    }
                    forgetNames();
                    notify(t("common.saved"));
                }
                guard(() => false);
                await noun.updated?.(context);
                await go(back, { force: true });
                return true;
            },
        });

        /// Somebody else was faster: says what they changed, keeps what was typed, and lets one save again.
        async function explainConflict() {
            const { body, etag } = await request("GET", one);
            const theirs = noun.row ? noun.row(body) : body;
            const changed = fields.filter(({ name }) => JSON.stringify(theirs[name]) !== JSON.stringify(row[name]));
            row = theirs;
            tag = etag;
            form.rebase(theirs);
            fill(conflict, h("div", { class: "callout warning", role: "alert", tabIndex: -1 }, icon("warning"),
                h("div", {}, h("h3", {}, t("conflict.title")), h("p", {}, t("conflict.text")),
                    changed.length > 0 && h("p", {}, `${t("conflict.fields")} `,
                        h("strong", {}, changed.map(({ name }) => label("field", name)).join(", "))))));
            conflict.hidden = false;
            conflict.firstChild.focus();
        }

        guard(form.isDirty);
        fill(page, pageHead({
            title: t("common.editNamed", { name: noun.title(row) }),
            trail: [...trailOf(noun, context), [noun.title(row), back]],
        }), h("section", { class: "card" }, form.element));
    }

    read();
    return page;
}

// MARK: Lists inside of one

/// A list that belongs to one thing, with a form to add to it and buttons on its rows.
/// `{title, about, path, columns, fields, permission, actions: [{name, isDanger, permission, run(row)}], created, toCreate}`
export function innerList(context, inner) {
    const place = h("div", {}, loading("4rem"));
    const buttonPlace = h("div", {});
    const element = h("section", { class: "card" },
        h("div", { class: "card-head" }, h("h2", {}, t(inner.title)), buttonPlace),
        inner.about && h("p", { class: "about" }, t(inner.about)), place);

    async function read() {
        try {
            const found = await get(inner.path, { limit: 200 });
            const actions = (inner.actions ?? []).filter((action) => !action.permission || may(action.permission, context.tenant));
            const columns = actions.length === 0 ? inner.columns : [...inner.columns, {
                name: "actions", label: "common.actions",
                show: (row) => h("span", { class: "buttons" }, actions.filter((action) => !action.when || action.when(row))
                    .map((action) => h("button", {
                        type: "button", class: `small ${action.isDanger ? "danger quiet" : ""}`,
                        onclick: (event) => doing(event.currentTarget, async () => {
                            if (await action.run(row) !== false) await read();
                        }),
                    }, t(`action.${action.name}`)))),
            }];
            fill(place, found.data.length === 0 ? h("p", { class: "hint" }, t(inner.empty ?? "common.nothing"))
                : table({ caption: t(inner.title), columns, rows: found.data, context }));
        } catch (problem) {
            fill(place, failure(problem, read));
        }
    }

    if (inner.fields && (!inner.permission || may(inner.permission, context.tenant))) {
        const start = h("button", { type: "button", onclick: () => open() }, icon("plus"), t(inner.add ?? "common.add"));
        const open = () => {
            const form = makeForm({
                fields: inner.fields, submit: t(inner.add ?? "common.add"), cancel: close,
                save: async (value) => {
                    const answer = inner.save ? await inner.save(value)
                        : await post(inner.path, inner.toCreate ? inner.toCreate(value) : value);
                    close();
                    await inner.created?.(answer);
                    await read();
                },
            });
            guard(form.isDirty);
            form.element.dataset.open = "";
            fill(buttonPlace);
            place.before(form.element);
            form.element.querySelector("input, select, textarea")?.focus();
            element.form = form.element;
        };
        const close = () => {
            element.form?.remove();
            guard(() => false);
            fill(buttonPlace, start);
            start.focus();
        };
        fill(buttonPlace, start);
    }
    read();
    return element;
}
