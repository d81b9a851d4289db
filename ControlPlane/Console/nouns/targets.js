// The targets of a route: which provider models answer, in which order, in which share.

import { h, fill, icon } from "../core/dom.js";
import { nameOf } from "../core/parts.js";
import { lookup } from "../core/session.js";
import { percent, t } from "../core/words.js";

const under = (context) => `/tenants/${context.tenant}`;

const uses = ["traffic", "context_window", "content_policy", "budget", "shadow"];

/// What a target may be: the tenant's own models and those of the platform it may use, and other routes.
async function choicesOf(context) {
    const [own, shared, routes] = await Promise.all([
        lookup(`${under(context)}/models`), lookup("/models"), lookup(`${under(context)}/routes`),
    ]);
    return { models: new Map([...own, ...shared]), routes };
}

const titleOf = (model) => model.display_name || model.name;

/// Of a target without any; the API spells them out.
const emptyConditions = JSON.stringify({ tags: [], minimum_input: 0, maximum_input: null, needs: [], hours: null });

/// Rows one adds, takes away and moves: those of one priority share its calls by weight; the next priority is asked
/// when all of this one fail.
export function targetsControl(context, value, id) {
    const list = h("ol", { class: "targets", id });
    const said = h("span", { class: "unseen", role: "status" });
    let targets = (value ?? []).map((target) => ({ ...target }));
    let known = { models: new Map(), routes: new Map() };
    if (targets.length === 0) targets = [{ weight: 100, priority: 0 }];

    const changed = () => list.dispatchEvent(new Event("input", { bubbles: true }));

    function draw(focus = null) {
        fill(list, targets.map((target, index) => row(target, index)));
        if (focus !== null) list.children[focus]?.querySelector("select")?.focus();
    }

    function row(target, index) {
        const name = (part) => `${id}-${index}-${part}`;
        const chosen = target.model ? `model ${target.model}` : target.route ? `route ${target.route}` : "";
        const group = (text, kind, things) => things.length > 0 && h("optgroup", { label: text }, things.map((one) =>
            h("option", { value: `${kind} ${one.id}` }, titleOf(one))));
        const select = h("select", {
            id: name("model"), onchange: (event) => {
                const [kind, one] = event.target.value.split(" ");
                delete target.model;
                delete target.route;
                if (one) target[kind] = one;
            },
        }, h("option", { value: "" }, t("route.chooseModel")), group(t("noun.models.many"), "model", [...known.models.values()]),
        group(t("noun.routes.many"), "route", [...known.routes.values()].filter((one) => one.id !== context.row?.id)));
        if (chosen && ![...select.options].some((option) => option.value === chosen)) {
            select.append(h("option", { value: chosen }, chosen.split(" ")[1]));
        }
        select.value = chosen;
        const use = h("select", {
            id: name("use"), onchange: (event) => { target.use = event.target.value; },
        }, uses.map((one) => h("option", { value: one }, t(`route.use.${one}`))));
        use.value = target.use ?? "traffic";
        const json = (part) => {
            const area = h("textarea", {
                id: name(part), rows: 2, spellcheck: "false", oninput: (event) => {
                    const text = event.target.value.trim();
                    if (text === "") delete target[part];
                    else {
                        // Half-typed text is kept as it is: the API says what is wrong with it.
                        try { target[part] = JSON.parse(text); } catch { target[part] = text; }
                    }
                },
            });
            area.value = target[part] && Object.keys(target[part]).length > 0 ? JSON.stringify(target[part]) : "";
            return h("div", {}, h("label", { htmlFor: area.id }, t(`route.${part}`)), area);
        };
        const number = (part) => h("input", {
            id: name(part), type: "number", min: "0", value: String(target[part] ?? ""),
            oninput: (event) => { target[part] = event.target.value === "" ? null : Number(event.target.value); },
        });
        const move = (by, symbol, text) => h("button", {
            type: "button", class: "small", "aria-label": `${text} ${index + 1}`, disabled: !(index + by in targets),
            onclick: () => {
                targets.splice(index + by, 0, targets.splice(index, 1)[0]);
                draw(index + by);
                said.textContent = t("route.moved", { place: index + by + 1 });
                changed();
            },
        }, icon(symbol));
        return h("li", { class: "target" },
            h("div", {}, h("label", { htmlFor: name("model") }, t("field.target")), select, h("p", { class: "error", hidden: true })),
            h("div", {}, h("label", { htmlFor: name("weight") }, t("field.weight")), number("weight")),
            h("div", {}, h("label", { htmlFor: name("priority") }, t("field.priority")), number("priority")),
            h("div", { class: "buttons" }, move(-1, "up", t("route.up")), move(1, "down", t("route.down")), h("button", {
                type: "button", class: "small danger quiet", "aria-label": `${t("common.remove")} ${index + 1}`,
                disabled: targets.length === 1,
                onclick: () => {
                    targets.splice(index, 1);
                    draw(Math.max(0, index - 1));
                    changed();
                },
            }, icon("close"))), h("details", {
                class: "rest", open: ["conditions", "parameters"].some((part) => target[part] && Object.keys(target[part]).length > 0
                    && JSON.stringify(target[part]) !== emptyConditions) || (target.use ?? "traffic") !== "traffic",
            }, h("summary", {}, t("common.more")),
            h("div", {}, h("label", { htmlFor: name("use") }, t("route.useLabel")), use), json("conditions"), json("parameters")));
    }

    choicesOf(context).then((found) => {
        known = found;
        draw();
    });
    draw();
    const read = () => targets.filter((target) => target.model || target.route).map((target) => {
        const kept = { ...target };
        for (const [name, one] of Object.entries(kept)) if (one === null) delete kept[name];
        return kept;
    });
    return {
        isGroup: true, read,
        element: h("div", {}, h("p", { class: "hint" }, t("route.targetsHint")), list, said, h("button", {
            type: "button", onclick: () => {
                const last = targets.at(-1);
                targets.push({ weight: 100, priority: (last?.priority ?? -1) + 1 });
                draw(targets.length - 1);
                changed();
            },
        }, icon("plus"), t("route.addTarget"))),
        write: (other) => {
            targets = (other ?? []).map((target) => ({ ...target }));
            draw();
        },
        complain: ([index, part], sentence) => {
            const error = list.children[Number(index)]?.querySelector(".error");
            if (!error) return null;
            error.textContent = sentence;
            error.hidden = false;
            return list.children[Number(index)].querySelector(part === "weight" || part === "priority" ? `[id$=${part}]` : "select");
        },
    };
}

/// The order in which targets are asked, and how they share.
export function targetsView(context, targets) {
    const stages = new Map();
    const others = targets.filter((target) => (target.use ?? "traffic") !== "traffic");
    for (const target of targets.filter((one) => !others.includes(one))) {
        const priority = target.priority ?? 0;
        if (!stages.has(priority)) stages.set(priority, []);
        stages.get(priority).push(target);
    }
    const ordered = [...stages].sort(([one], [other]) => one - other);
    return h("ol", { class: "stages" }, ordered.map(([, group], index) => {
        const sum = group.reduce((total, target) => total + (target.weight ?? 0), 0);
        return h("li", {}, h("h3", {}, t(index === 0 ? "route.first" : "route.then")), group.map((target) => {
            const share = sum > 0 ? (target.weight ?? 0) / sum : 1 / group.length;
            const bar = h("div", { class: "bar" });
            bar.style.width = `${Math.round(share * 100)}%`;
            return h("div", { class: "stage" }, targetName(context, target),
                h("div", { class: "share", "aria-hidden": "true" }, bar), h("span", { class: "note" }, percent(share)));
        }));
    }), others.length > 0 && h("li", {}, h("h3", {}, t("route.special")), others.map((target) => h("div", { class: "stage" },
        targetName(context, target), h("span", { class: "badge" }, t(`route.use.${target.use}`))))));
}

const targetName = (context, target) => (target.route
    ? h("span", {}, `${t("noun.routes.one")} `, nameOf(target.route, `${under(context)}/routes`, titleOf))
    : nameOf(target.model, `${under(context)}/models`, titleOf));
