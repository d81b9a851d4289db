// The targets of a route: which provider models answer, in which order, in which share.

import { h, fill, icon } from "../core/dom.js";
import { nameOf } from "../core/parts.js";
import { lookup } from "../core/session.js";
import { percent, t } from "../core/words.js";

const under = (context) => `/tenants/${context.tenant}`;

/// The tenant's own models and those of the platform it may use, by ID.
async function modelsOf(context) {
    const [own, shared] = await Promise.all([lookup(`${under(context)}/models`), lookup("/models")]);
    return new Map([...own, ...shared]);
}

const titleOf = (model) => model.display_name || model.name;

/// Rows one adds, takes away and moves: those of one priority share its calls by weight; the next priority is asked
/// when all of this one fail.
export function targetsControl(context, value, id) {
    const list = h("ol", { class: "targets", id });
    const said = h("span", { class: "unseen", role: "status" });
    let targets = (value ?? []).map((target) => ({ ...target }));
    let models = new Map();
    if (targets.length === 0) targets = [{ model: "", weight: 100, priority: 0 }];

    const changed = () => list.dispatchEvent(new Event("input", { bubbles: true }));

    function draw(focus = null) {
        fill(list, targets.map((target, index) => row(target, index)));
        if (focus !== null) list.children[focus]?.querySelector("select")?.focus();
    }

    function row(target, index) {
        const name = (part) => `${id}-${index}-${part}`;
        const select = h("select", {
            id: name("model"), onchange: (event) => { target.model = event.target.value; },
        }, h("option", { value: "" }, t("route.chooseModel")), [...models.values()].map((model) =>
            h("option", { value: model.id, selected: model.id === target.model }, titleOf(model))));
        if (target.model && !models.has(target.model)) select.append(h("option", { value: target.model, selected: true }, target.model));
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
            h("div", {}, h("label", { htmlFor: name("model") }, t("field.model")), select, h("p", { class: "error", hidden: true })),
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
            }, icon("close"))));
    }

    modelsOf(context).then((found) => {
        models = found;
        draw();
    });
    draw();
    const read = () => targets.filter((target) => target.model).map((target) => {
        const kept = { ...target };
        for (const [name, one] of Object.entries(kept)) if (one === null) delete kept[name];
        return kept;
    });
    return {
        isGroup: true, read,
        element: h("div", {}, h("p", { class: "hint" }, t("route.targetsHint")), list, said, h("button", {
            type: "button", onclick: () => {
                const last = targets.at(-1);
                targets.push({ model: "", weight: 100, priority: (last?.priority ?? -1) + 1 });
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
    for (const target of targets) {
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
            return h("div", { class: "stage" }, nameOf(target.model, `${under(context)}/models`, titleOf),
                h("div", { class: "share", "aria-hidden": "true" }, bar), h("span", { class: "note" }, percent(share)));
        }));
    }));
}
