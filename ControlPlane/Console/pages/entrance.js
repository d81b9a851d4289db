// Before one is in: signing in, a second step, accepting an invitation, signing up, a new password.

import { open } from "../core/api.js";
import { doing, notify } from "../core/dialog.js";
import { h, fill, icon } from "../core/dom.js";
import { makeForm } from "../core/form.js";
import { href, go, here, refresh } from "../core/router.js";
import { currentLanguage, languages, speak, t } from "../core/words.js";

/// The page at `path` for whoever is not signed in. `entered` is called once they are.
export function entrancePage(path, entered) {
    const pages = {
        "/sign-up": signUp, "/accept-invitation": acceptInvitation, "/verify-email": verifyEmail,
        "/reset-password": resetPassword, "/forgot-password": forgotPassword,
    };
    const content = (pages[path] ?? signIn)(entered);
    return h("div", { class: "entrance" }, h("main", { class: "entrance-card" },
        h("div", { class: "brand" }, h("img", { src: "/console/icon.svg", alt: "" }), "Eclusa"), content, foot()));
}

function foot() {
    const chooser = h("select", {
        "aria-label": t("language.label"),
        onchange: async (event) => {
            await speak(event.target.value, { remember: true });
            await refresh();
        },
    }, Object.entries(languages).map(([name, text]) => h("option", { value: name, lang: name }, text)));
    chooser.value = currentLanguage();
    const isFront = !["/sign-up", "/accept-invitation", "/verify-email", "/reset-password", "/forgot-password"].includes(here());
    return h("div", { class: "entrance-foot" }, isFront
        ? h("a", { href: href("/forgot-password") }, t("signIn.forgot")) : h("a", { href: href("/") }, t("signIn.back")), chooser);
}

const title = (key, about) => [h("h1", { tabIndex: -1 }, t(key)), about && h("p", { class: "about" }, t(about))];

// MARK: Signing in

function signIn(entered) {
    const place = h("div", {}, signInForm({ done: entered }));
    return h("div", {}, title("signIn.title", "signIn.about"), providers(), place);
}

/// Sign-in by other houses, where the API lists any.
function providers() {
    const place = h("div", { class: "providers", hidden: true });
    const tenant = new URLSearchParams(location.search).get("tenant");
    open("GET", `/sessions/providers${tenant ? `?tenant=${encodeURIComponent(tenant)}` : ""}`).then(({ providers: list }) => {
        if (list.length === 0) return;
        fill(place, list.map((one) => h("button", {
            type: "button", onclick: (event) => doing(event.currentTarget, () => beginAt(one.id)),
        }, icon("external"), t("signIn.with", { name: one.name }))));
        place.hidden = false;
    }).catch(() => { /* Passwords remain. */ });
    return place;
}

/// The flow stays in this browser: whoever else gets the provider's answer can do nothing with it.
async function beginAt(provider) {
    const begun = await open("POST", "/sessions/providers", { provider });
    sessionStorage.setItem("eclusa.flow", begun.flow);
    sessionStorage.setItem("eclusa.return", here());
    location.assign(begun.authorization_url);
}

/// Where identity providers send the browser back to.
const callback = /^\/sign-in\/callback\/([^/]+)$/;

/// The second step that a sign-in at a provider waits for: the form shown next asks for it.
let waiting = null;

/// Finishes a sign-in the browser came back from; answers what went wrong, or null. Afterwards the address is the one
/// where it began.
export async function finishProvider() {
    const match = location.pathname.match(callback);
    if (!match) return null;
    const query = new URLSearchParams(location.search);
    const flow = sessionStorage.getItem("eclusa.flow");
    history.replaceState(null, "", href(sessionStorage.getItem("eclusa.return") ?? "/"));
    sessionStorage.removeItem("eclusa.flow");
    sessionStorage.removeItem("eclusa.return");
    try {
        if (!flow || !query.get("code")) throw new Error(query.get("error_description") ?? t("signIn.notBegun"));
        const answer = await open("POST", "/sessions/providers/complete", {
            provider: match[1], flow, state: query.get("state") ?? "", code: query.get("code"),
        });
        waiting = answer?.challenge ? answer : null;
        return null;
    } catch (problem) {
        return problem.text ?? problem.message;
    }
}

/// Address and password, then a code where one is asked for. `done` is called once tokens are there.
export function signInForm({ done, email = "" }) {
    const place = h("div", {});
    const first = makeForm({
        fields: [
            { name: "email", kind: "email", required: true, autocomplete: "username" },
            { name: "password", kind: "secret", required: true, autocomplete: "current-password" },
        ],
        value: { email }, submit: t("signIn.action"),
        save: async (value) => {
            const answer = await open("POST", "/sessions", value);
            if (answer.challenge) fill(place, secondStep(answer, done, again));
            else await done();
        },
    });
    const again = () => {
        fill(place, first.element);
        first.element.querySelector("input").focus();
    };
    fill(place, waiting ? secondStep(waiting, done, again) : first.element);
    waiting = null;
    return place;
}

function secondStep(challenge, done, again) {
    let isRecovery = false;
    const place = h("div", {});
    const show = () => {
        const form = makeForm({
            fields: [{
                name: "code", kind: "text", required: true, autocomplete: "one-time-code",
                label: isRecovery ? "signIn.recoveryCode" : "signIn.code",
                hint: isRecovery ? "signIn.recoveryHint" : "signIn.codeHint",
            }],
            submit: t("signIn.action"), cancel: again,
            save: async ({ code }) => {
                await open("POST", "/sessions/second-step", { challenge: challenge.challenge, code });
                await done();
            },
        });
        const input = form.element.querySelector("input");
        if (!isRecovery) input.inputMode = "numeric";
        fill(place, form.element, h("button", {
            type: "button", class: "quiet", onclick: () => {
                isRecovery = !isRecovery;
                show();
            },
        }, t(isRecovery ? "signIn.useCode" : "signIn.useRecovery")));
        setTimeout(() => input.focus());
    };
    show();
    return place;
}

// MARK: Links of messages. The token stands behind the #, so it is in no log.

const token = () => new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

const passwordField = {
    name: "password", kind: "secret", required: true, autocomplete: "new-password", label: "field.new_password",
    hint: "hint.new_password",
};

const said = (text, symbol = "check", tone = "good") =>
    h("div", { class: `callout ${tone}`, role: "status" }, icon(symbol), h("span", {}, text));

function acceptInvitation(entered) {
    return h("div", {}, title("invitationAccept.title", "invitationAccept.about"), makeForm({
        fields: [{ name: "name", required: true, autocomplete: "name" }, passwordField],
        submit: t("invitationAccept.action"),
        save: async (value) => {
            const profile = await open("POST", "/invitations/accept", { ...value, token: token(), locale: currentLanguage() });
            await open("POST", "/sessions", { email: profile.user.email, password: value.password });
            await entered();
        },
    }).element);
}

function signUp(entered) {
    if (!token()) {
        const place = h("div", {});
        const form = makeForm({
            fields: [{ name: "email", kind: "email", required: true, autocomplete: "email" },
                { name: "name", required: true, autocomplete: "name" }],
            submit: t("signUp.action"),
            save: async (value) => {
                await open("POST", "/sign-ups", { ...value, locale: currentLanguage() });
                fill(place, said(t("signUp.sent")));
            },
        });
        fill(place, form.element);
        return h("div", {}, title("signUp.title", "signUp.about"), place);
    }
    return h("div", {}, title("signUp.finish", "signUp.finishAbout"), makeForm({
        fields: [passwordField], submit: t("signUp.finishAction"),
        save: async ({ password }) => {
            const profile = await open("POST", "/sign-ups/complete", { token: token(), password });
            await open("POST", "/sessions", { email: profile.user.email, password });
            await entered();
        },
    }).element);
}

function verifyEmail() {
    const place = h("div", {}, h("p", {}, t("common.loading")));
    open("POST", "/email-verifications", { token: token() }).then(
        () => fill(place, said(t("verify.done"))),
        (problem) => fill(place, said(problem.text, "warning", "bad")));
    return h("div", {}, title("verify.title"), place);
}

function resetPassword() {
    return h("div", {}, title("reset.title", "reset.about"), makeForm({
        fields: [passwordField], submit: t("reset.action"),
        save: async ({ password }) => {
            await open("POST", "/password-resets/complete", { token: token(), password });
            notify(t("reset.done"));
            await go("/", { replace: true });
        },
    }).element);
}

function forgotPassword() {
    const place = h("div", {});
    const form = makeForm({
        fields: [{ name: "email", kind: "email", required: true, autocomplete: "email" }], submit: t("forgot.action"),
        save: async (value) => {
            await open("POST", "/password-resets", value);
            fill(place, said(t("forgot.sent")));
        },
    });
    fill(place, form.element);
    return h("div", {}, title("forgot.title", "forgot.about"), place);
}
