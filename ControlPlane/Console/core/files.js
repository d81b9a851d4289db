// A text that one types, or that a file of this computer has.

import { h, newID } from "./dom.js";
import { bytes, t } from "./words.js";

/// A field whose text may come from a file: `{name, accept, maximumBytes, …}`. The file is read here and sent as text;
/// what was typed stays, and counts again when the file is taken away.
export const textOrFile = (field) => ({ ...field, kind: "custom", make: (value, id) => control(field, value, id) });

function control({ name, accept, maximumBytes, rows = 4 }, value, id) {
    const typed = h("textarea", { id: newID(id), name, rows, spellcheck: "false" });
    const typing = h("div", { class: "typing" }, h("label", { htmlFor: typed.id }, t("file.typed")), typed);
    const said = h("span", { role: "status" });
    const error = h("p", { class: "error", id: newID(id), role: "alert", hidden: true });
    const limit = h("p", { class: "hint", id: newID(id) }, t("file.limit", { limit: bytes(maximumBytes) }));
    const picker = h("input", {
        type: "file", class: "unseen", accept, name: `${name}_file`, "aria-describedby": `${limit.id} ${error.id}`,
        onchange: () => choose(picker.files[0]),
    });
    const away = h("button", { type: "button", class: "small", hidden: true, onclick: () => { take(null); picker.focus(); } }, t("file.away"));
    const element = h("div", { class: "text-file", id },
        h("div", { class: "buttons" }, h("label", { class: "button" }, picker, t("file.choose")), said, away), limit, error, typing);
    let chosen = null;

    function take(file, text = null) {
        chosen = text;
        said.textContent = file ? t("file.chosen", { name: file.name, size: bytes(file.size) }) : "";
        away.hidden = file === null;
        typing.hidden = file !== null;
        error.hidden = true;
        element.dispatchEvent(new Event("input", { bubbles: true }));
    }

    async function choose(file) {
        if (!file) return;
        // The same file, changed meanwhile, can be chosen again.
        picker.value = "";
        try {
            if (file.size > maximumBytes) {
                throw new Error(t("file.tooLarge", { name: file.name, size: bytes(file.size), limit: bytes(maximumBytes) }));
            }
            take(file, await file.text().catch(() => { throw new Error(t("file.unreadable", { name: file.name })); }));
        } catch (problem) {
            error.textContent = problem.message;
            error.hidden = false;
        }
    }

    typed.value = value ?? "";
    return {
        isGroup: true, element, read: () => chosen ?? typed.value.trim(),
        write: (other) => {
            typed.value = other ?? "";
            take(null);
        },
    };
}
