// One's own things: profile, password, second factor, sessions, activity.

import { get, patch, post, put, remove } from "../core/api.js";
import { confirmDanger, copyable, notify, showOnce } from "../core/dialog.js";
import { h, fill } from "../core/dom.js";
import { makeForm } from "../core/form.js";
import { innerList } from "../core/noun.js";
import { badge, card, loading, pageHead, table } from "../core/parts.js";
import { guard, refresh } from "../core/router.js";
import { load, me, settings } from "../core/session.js";
import { languages, speak, t, time } from "../core/words.js";
import { activityColumns } from "./dashboard.js";

const guarded = (form) => {
    guard(form.isDirty);
    return form.element;
};

export function profilePage() {
    return h("div", {}, pageHead({ title: t("account.profile.menu"), about: me().email }), h("section", { class: "card" }, guarded(makeForm({
        fields: [{ name: "name", required: true, autocomplete: "name" }, { name: "locale", kind: "choice", required: true, values: Object.entries(languages) }],
        value: me(), only: "changes",
        save: async (changes) => {
            if (Object.keys(changes).length === 0) return;
            await patch("/me", changes);
            await load();
            guard(() => false);
            if (changes.locale) await speak(changes.locale, { remember: true });
            notify(t("common.saved"));
            await refresh();
        },
    }))));
}

export async function securityPage() {
    const place = h("div", {}, loading("6rem"));
    const password = makeForm({
        fields: [
            { name: "current_password", kind: "secret", required: true, autocomplete: "current-password" },
            { name: "new_password", kind: "secret", required: true, autocomplete: "new-password" },
        ],
        submit: t("account.changePassword"),
        save: async (value) => {
            await put("/me/password", value);
            notify(t("account.passwordChanged"));
            guard(() => false);
            await refresh();
        },
    });
    const read = async () => fill(place, secondFactor(await get("/me/second-factor"), read, place));
    await read();
    return h("div", {}, pageHead({ title: t("account.security.menu"), about: t("account.securityAbout") }),
        card(t("account.password"), h("p", { class: "hint" }, t("account.passwordHint")), guarded(password)),
        card(t("account.secondFactor"), place));
}

const showCodes = (codes) => showOnce(t("account.recoveryCodes"), [[t("account.recoveryCodesText"), codes.join("\n"), true]]);

function secondFactor(state, read, place) {
    if (!state.enabled) {
        return h("div", {}, h("p", {}, t("account.secondFactorAbout")), state.required && h("p", { class: "callout warning" }, t("account.secondFactorRequired")),
            makeForm({
                fields: [{ name: "current_password", kind: "secret", required: true, autocomplete: "current-password" }],
                submit: t("account.beginSecondFactor"),
                save: async (value) => enrol(await post("/me/second-factor", value), read, place),
            }).element);
    }
    const code = { name: "code", required: true, autocomplete: "one-time-code", label: "signIn.code" };
    const forCode = (submit, save) => makeForm({ fields: [code], submit: t(submit), save }).element;
    return h("div", {}, h("p", {}, badge("enabled"), " ", t("account.secondFactorSince", { time: time(state.confirmed_at) })),
        h("p", {}, t("account.codesLeft", { count: state.recovery_codes_left })),
        h("details", {}, h("summary", {}, t("account.newCodes")), forCode("account.newCodes", async (value) => {
            await showCodes((await post("/me/second-factor/recovery-codes", value)).codes);
            await read();
        })),
        !state.required && h("details", {}, h("summary", {}, t("account.removeSecondFactor")), forCode("account.removeSecondFactor", async (value) => {
            await post("/me/second-factor/remove", value);
            notify(t("account.secondFactorRemoved"));
            await read();
        })));
}

/// The link as a picture for the app's camera; nothing when the library is not there.
function qrCode(text) {
    if (!settings().qr_codes) return null;
    const place = h("div", { class: "qr-code", role: "img", "aria-label": t("account.qrCode") });
    // The library is no module: it leaves its one name behind as a script.
    document.head.append(h("script", { src: "/console/libraries/qrcode.js", onerror: () => place.remove(), onload: () => {
        const code = globalThis.qrcode(0, "M");
        code.addData(text);
        code.make();
        const size = code.getModuleCount(), namespace = "http://www.w3.org/2000/svg";
        const dark = [];
        for (let row = 0; row < size; row += 1) {
            for (let column = 0; column < size; column += 1) {
                if (code.isDark(row, column)) dark.push(`M${column + 4} ${row + 4}h1v1h-1z`);
            }
        }
        const picture = document.createElementNS(namespace, "svg"), path = document.createElementNS(namespace, "path");
        picture.setAttribute("viewBox", `0 0 ${size + 8} ${size + 8}`);
        path.setAttribute("d", dark.join(""));
        picture.append(path);
        fill(place, picture);
    } }));
    return place;
}

/// The app gets the secret by its camera, by hand or by its link; a code proves that it has it.
function enrol(enrolment, read, place) {
    fill(place, h("ol", { class: "steps" },
        h("li", {}, t("account.enrolApp"), " ", h("a", { href: enrolment.uri }, t("account.openApp")), qrCode(enrolment.uri)),
        h("li", {}, t(settings().qr_codes ? "account.enrolScan" : "account.enrolSecret"), copyable(enrolment.secret)),
        h("li", {}, t("account.enrolCode"))), makeForm({
        fields: [{ name: "code", required: true, autocomplete: "one-time-code", label: "signIn.code" }], submit: t("account.confirmSecondFactor"),
        cancel: read,
        save: async (value) => {
            const { codes } = await post("/me/second-factor/confirm", value);
            await showCodes(codes);
            notify(t("account.secondFactorOn"));
            await read();
        },
    }).element);
    place.querySelector("input").focus();
}

export function sessionsPage() {
    const context = { tenant: null };
    const endAll = h("button", {
        type: "button", class: "danger quiet", onclick: async () => {
            if (!await confirmDanger({ title: t("account.endAllTitle"), text: t("account.endAllText"), action: t("action.endSessions") })) return;
            await post("/me/sessions/end", { include_current: false }).then(
                () => notify(t("account.endedAll")), (problem) => notify(problem.text, "bad"));
            await refresh();
        },
    }, t("account.endAll"));
    return h("div", {}, pageHead({ title: t("account.sessions.menu"), about: t("account.sessionsAbout"), buttons: [endAll] }), innerList(context, {
        title: "session.title", path: "/me/sessions",
        columns: [
            { name: "user_agent", kind: "browser" }, { name: "address", kind: "code", isWide: true }, { name: "created_at", kind: "time", isWide: true },
            { name: "last_seen_at", kind: "ago" }, { name: "expires_at", kind: "time", isWide: true },
        ],
        actions: [{ name: "end", isDanger: true, run: (row) => remove(`/me/sessions/${row.id}`) }],
    }));
}

export async function activityPage() {
    const { data } = await get("/me/audit-events", { limit: 100 });
    return h("div", {}, pageHead({ title: t("account.activity.menu"), about: t("account.activityAbout") }), h("div", { class: "rows" },
        table({ caption: t("account.activity.menu"), rows: data, columns: [...activityColumns.filter(({ name }) => name !== "actor"), { name: "address", kind: "code", isWide: true }] })));
}
