// Settings of a tenant and of the platform.

import { get, request } from "../core/api.js";
import { notify } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { makeForm } from "../core/form.js";
import { card, description, pageHead } from "../core/parts.js";
import { guard, refresh } from "../core/router.js";
import { may, reloadTenants } from "../core/session.js";
import { t } from "../core/words.js";
import { tenantFields } from "../nouns/platform.js";

/// Forms of one page: leaving asks when any of them has something typed.
function formsOf(list) {
    guard(() => list.some((form) => form.isDirty()));
    return list.map((form) => form.element);
}

/// A form on one resource that is always there. Somebody else's change is told, not overwritten.
async function settingsForm(path, fields, { mayChange, saved = async () => {} }) {
    const { body, etag } = await request("GET", path);
    let tag = etag;
    if (!mayChange) {
        return { element: description(fields.map((field) => ({ name: field.name, kind: field.kind === "flag" ? "flag" : field.kind === "lines" ? "list" : "text" })), body), isDirty: () => false };
    }
    const form = makeForm({
        fields, value: body, only: "changes",
        save: async (changes) => {
            if (Object.keys(changes).length === 0) return true;
            try {
                tag = (await request("PATCH", path, { body: changes, etag: tag })).etag;
            } catch (problem) {
                if (problem.code !== "precondition_failed") throw problem;
                const now = await request("GET", path);
                tag = now.etag;
                form.rebase(now.body);
                notify(`${t("conflict.title")} ${t("conflict.text")}`, "bad");
                return false;
            }
            notify(t("common.saved"));
            await saved();
            return true;
        },
    });
    return form;
}

/// What those who run the platform decide for a tenant.
const onlyPlatform = ["region", "sign_up_domain"];

export async function tenantSettings({ tenant }) {
    const mayChange = may("tenants:update", tenant);
    const path = `/tenants/${tenant}`;
    const [general, security] = await Promise.all([
        settingsForm(path, tenantFields.filter(({ name }) => !onlyPlatform.includes(name) || may("tenants:create")), { mayChange, saved: async () => { await reloadTenants(); guard(() => false); await refresh(); } }),
        settingsForm(`${path}/security`, [{ name: "require_second_factor", kind: "flag" }], { mayChange }),
    ]);
    const [generalForm, securityForm] = formsOf([general, security]);
    return h("div", {}, pageHead({ title: t("settings.title"), about: t("settings.about") }),
        card(t("settings.general"), generalForm), card(t("settings.security"), securityForm));
}

export async function platformSettings() {
    const signUp = await settingsForm("/sign-up-settings", [
        { name: "open", kind: "flag", label: "settings.openSignUp", hint: "hint.openSignUp" }, { name: "allowed_domains", kind: "lines", placeholder: "example.com" },
    ], { mayChange: may("settings:update") });
    const security = await settingsForm("/security", [{ name: "require_second_factor", kind: "flag" }], {
        mayChange: may("settings:update"),
    }).catch((problem) => {
        // A control plane before it had this answers that there is none.
        if (problem.status !== 404) throw problem;
        return null;
    });
    const [form, securityForm] = formsOf([signUp, security].filter(Boolean));
    const masterKey = may("master-key:read") ? await get("/master-key") : null;
    return h("div", {}, pageHead({ title: t("settings.title"), about: t("settings.platformAbout") }),
        card(t("settings.signUp"), form), securityForm && card(t("settings.security"), securityForm),
        masterKey && card(t("settings.masterKey"), description([
            { name: "fingerprint", kind: "code" }, { name: "accepts_previous", kind: "flag" }, { name: "secrets", kind: "number" },
            { name: "sealed", kind: "number" }, { name: "complete", kind: "flag" },
        ], masterKey)));
}
