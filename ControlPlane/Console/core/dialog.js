// Dialogs and notices.

import { h, icon, newID } from "./dom.js";
import { t } from "./words.js";

/// Opens a dialog; resolves with what `close(value)` is given, or undefined when it is dismissed.
/// `content(close)` answers its parts. `mayDismiss` false: only its own buttons close it.
export function openDialog(title, content, { mayDismiss = true, isWide = false } = {}) {
    return new Promise((resolve) => {
        const titleID = newID("dialog");
        let result;
        const close = (value) => {
            result = value;
            dialog.close();
        };
        const dialog = h("dialog", { "aria-labelledby": titleID, class: isWide ? "wide" : "" },
            h("header", {}, h("h2", { id: titleID }, title), mayDismiss && h("button", {
                type: "button", class: "quiet", "aria-label": t("common.close"), onclick: () => close(),
            }, icon("close"))),
            content(close));
        dialog.addEventListener("cancel", (event) => { if (!mayDismiss) event.preventDefault(); });
        dialog.addEventListener("close", () => {
            dialog.remove();
            resolve(result);
        });
        document.body.append(dialog);
        dialog.showModal();
        (dialog.querySelector("[autofocus]") ?? dialog.querySelector("input, select, textarea"))?.focus();
    });
}

/// Asks before something that cannot be taken back. With `name` it has to be typed. Resolves with whether to do it.
export async function confirmDanger({ title, text, action, name = null }) {
    return await openDialog(title, (close) => {
        const button = h("button", { class: "danger", disabled: name !== null }, action);
        const input = name !== null && h("input", {
            id: newID("confirm"), autocomplete: "off", spellcheck: "false",
            oninput: (event) => { button.disabled = event.target.value !== name; },
        });
        return h("form", { method: "dialog", onsubmit: (event) => { event.preventDefault(); close(true); } },
            h("p", {}, text),
            input && h("div", { class: "field" },
                h("label", { htmlFor: input.id }, t("confirm.typeName", { name })), input),
            h("div", { class: "buttons" },
                h("button", { type: "button", autofocus: !input, onclick: () => close(false) }, t("common.cancel")),
                button));
    }) === true;
}

/// Asks whether typed text may be thrown away.
export const confirmLeaving = () =>
    confirmDanger({ title: t("leave.title"), text: t("leave.text"), action: t("leave.action") });

/// A text with a button that copies it.
export function copyable(text, { isLong = false } = {}) {
    const said = h("span", { class: "said", role: "status" });
    return h("div", { class: "copyable" },
        h(isLong ? "pre" : "code", { tabIndex: isLong ? 0 : undefined }, text),
        h("button", {
            type: "button",
            onclick: async () => {
                try {
                    await navigator.clipboard.writeText(text);
                    said.textContent = t("common.copied");
                } catch {
                    said.textContent = t("common.copyFailed");
                }
                setTimeout(() => { said.textContent = ""; }, 4000);
            },
        }, icon("copy"), t("common.copy")), said);
}

/// Shows what is shown once. Only its button closes it.
export function showOnce(title, parts) {
    return openDialog(title, (close) => h("div", {},
        h("p", { class: "callout warning" }, icon("warning"), t("secret.once")),
        parts.map(([name, text, isLong]) => h("section", {}, h("h3", {}, name), copyable(text, { isLong }))),
        h("div", { class: "buttons" },
            h("button", { class: "primary", type: "button", onclick: () => close(true) }, t("secret.kept")))),
    { mayDismiss: false, isWide: true });
}

/// Says something in a corner; errors stay until they are closed.
export function notify(text, kind = "good") {
    const notice = h("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : null }, icon(
        kind === "bad" ? "warning" : "check"), h("span", {}, text),
    h("button", {
        type: "button", class: "quiet", "aria-label": t("common.close"), onclick: () => notice.remove(),
    }, icon("close")));
    document.getElementById("notices").append(notice);
    if (kind !== "bad") setTimeout(() => notice.remove(), 6000);
}

/// Says what the API refused.
export function notifyProblem(problem) {
    if (problem.name === "AbortError") return;
    if (!("code" in problem)) console.error(problem);
    const reason = problem.fields?.map((field) => `${field.pointer} ${field.message}`).join("; ");
    const request = problem.requestID ? ` (${t("common.request")} ${problem.requestID})` : "";
    notify((problem.text ?? String(problem)) + (reason ? ` ${reason}` : "") + request, "bad");
}

/// Does something a button asks for: the button waits, a refusal is said. Answers what it answered.
export async function doing(button, work) {
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
        return await work();
    } catch (problem) {
        notifyProblem(problem);
        return undefined;
    } finally {
        button.disabled = false;
        button.removeAttribute("aria-busy");
    }
}
