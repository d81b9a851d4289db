// What there is: the menu of a tenant and of the platform, and the page of every address.

import { createPage, detailPage, editPage, listPage } from "../core/noun.js";
import { route } from "../core/router.js";
import { isOfPlatform, may, settings } from "../core/session.js";
import { t } from "../core/words.js";

const access = () => import("../nouns/access.js");
const billing = () => import("../nouns/billing.js");
const calls = () => import("../nouns/calls.js");
const alerts = {
    names: ["alerts", "alert-rules", "alert-channels", "alert-deliveries"], load: async () => (await import("../nouns/alerts.js")).alertNouns,
};

/// Nouns by the module that describes them, which is loaded when one of them is first shown: so the first view is small.
const modules = {
    tenant: [
        { names: ["keys", "routes", "models", "providers", "workspaces"], load: async () => (await calls()).callNouns.tenant },
        { names: ["limits"], load: async () => [(await import("../nouns/limits.js")).limits] },
        { names: ["calls"], load: async () => [(await import("../nouns/log.js")).calls] },
        {
            names: ["members", "invitations", "groups", "roles", "bindings", "service-accounts", "identity-providers", "activity"],
            load: async () => (await access()).accessNouns.tenant,
        },
        alerts,
        { names: ["guardrails"], load: async () => [(await import("../nouns/guardrails.js")).guardrails] },
        { names: ["report-schedules"], load: async () => [(await import("../nouns/reports.js")).reportSchedules] },
        { names: ["invoices", "ledger", "payments", "reratings"], load: async () => (await billing()).tenantNouns },
    ],
    platform: [
        { names: ["providers", "models"], load: async () => (await calls()).callNouns.platform },
        {
            names: ["bindings", "service-accounts", "identity-providers", "activity"],
            load: async () => (await access()).accessNouns.platform,
        },
        {
            names: ["tenants", "users", "nodes", "join-tokens", "mails", "backups"],
            load: async () => (await import("../nouns/platform.js")).platformNouns,
        },
        alerts, { names: ["reconciliations", "ledger-proofs"], load: async () => (await billing()).platformNouns },
    ],
};

/// Every noun's description, for tests.
export const all = async () => Object.fromEntries(await Promise.all(Object.entries(modules).map(async ([place, list]) =>
    [place, (await Promise.all(list.map(({ load }) => load()))).flat()])));

const watching = ["menu.alerts", [["alerts", "alerts:read"], ["alert-rules", "alerts:read"], ["alert-channels", "alerts:read"],
    ["alert-deliveries", "alerts:read"]]];

const item = (at, name, permission, tenant) =>
    (permission === null || may(permission, tenant) ? [`${at}/${name}`, t(`noun.${name}.menu`)] : null);

/// Groups of the menu: `[[title, [[path, text]]]]`. Only what whoever is here may read.
export function menu(tenant) {
    const at = tenant ? `/tenants/${tenant}` : "/platform";
    const groups = tenant
        ? [
            [null, [["dashboard", "usage:read"], ["usage", "usage:read"], ["calls", "usage:read"], ["refusals", "usage:read"],
                ["report-schedules", "report-schedules:read"], ["playground", "keys:create"]]],
            ["menu.calls", [["keys", "keys:read"], ["routes", "routes:read"], ["models", "models:read"], ["providers", "providers:read"],
                ["limits", "limits:read"], ["guardrails", "guardrails:read"]]],
            ["menu.money", [["billing", "ledger:read"], ["ledger", "ledger:read"], ["payments", "ledger:read"], ["invoices", "invoices:read"],
                ["reratings", "ledger:read"]]],
            watching,
            ["menu.people", [["members", "members:read"], ["invitations", "invitations:read"], ["groups", "groups:read"],
                ["roles", "roles:read"], ["bindings", "bindings:read"], ["service-accounts", "service-accounts:read"],
                ["identity-providers", "identity-providers:read"]]],
            ["menu.tenant", [["workspaces", "workspaces:read"], ["activity", "audit:read"], ["settings", "tenants:read"]]],
        ]
        : [
            [null, [["dashboard", null], ["tenants", null], ["usage", "usage:read"]]],
            ["menu.people", [["users", "users:read"], ["bindings", "bindings:read"], ["service-accounts", "service-accounts:read"],
                ["identity-providers", "identity-providers:read"]]],
            ["menu.shared", [["providers", "providers:read"], ["models", "models:read"]]],
            ["menu.fleet", [["nodes", "nodes:read"], ["join-tokens", "join-tokens:read"], ["rollouts", "snapshots:read"],
                ...(settings().dashboards ? [["dashboards", "nodes:read"]] : [])]],
            ["menu.money", [["reconciliations", "reconciliations:read"], ["ledger-proofs", "ledger:read"], ["billing", "billing:read"]]],
            watching,
            ["menu.house", [["activity", "audit:read"], ["mails", "settings:read"], ["backups", "backups:read"], ["settings", "settings:read"]]],
        ];
    const isAccount = tenant === null && !isOfPlatform();
    const mine = [["/account/profile", t("account.profile.menu")], ["/account/security", t("account.security.menu")],
        ["/account/sessions", t("account.sessions.menu")], ["/account/activity", t("account.activity.menu")]];
    return [
        ...(isAccount ? [] : groups.map(([title, items]) => [title, items.map(([name, permission]) =>
            item(at, name, permission, tenant)).filter(Boolean)])),
        ["menu.account", mine],
    ].filter(([, items]) => items.length > 0);
}

function nounRoutes(at, name, load) {
    const base = `${at}/${name}`;
    const show = (page) => async (parameters) => page(await load(), {
        tenant: parameters.tenant ?? null, at: base.replace(":tenant", parameters.tenant),
    }, parameters.id);
    // What has no form is shown as it is.
    const form = (page, other) => (noun, ...rest) => (noun.fields ? page : other)(noun, ...rest);
    route(base, show(listPage));
    route(`${base}/new`, show(form(createPage, listPage)));
    route(`${base}/:id/edit`, show(form(editPage, detailPage)));
    route(`${base}/:id`, show(detailPage));
}

/// A page whose module is loaded when it is first shown.
const later = (pattern, load) => route(pattern, async (parameters) => (await load())(parameters));

later("/tenants/:tenant/dashboard", async () => (await import("./dashboard.js")).tenantDashboard);
later("/platform/dashboard", async () => (await import("./dashboard.js")).platformDashboard);
later("/tenants/:tenant/usage", async () => (await import("./usage.js")).usagePage);
later("/platform/usage", async () => (await import("./usage.js")).usagePage);
later("/tenants/:tenant/refusals", async () => (await import("./refusals.js")).refusalsPage);
later("/tenants/:tenant/playground", async () => (await import("./playground.js")).playgroundPage);
later("/tenants/:tenant/settings", async () => (await import("./settings.js")).tenantSettings);
later("/platform/settings", async () => (await import("./settings.js")).platformSettings);
later("/platform/rollouts", async () => (await import("./rollouts.js")).rolloutsPage);
later("/platform/dashboards", async () => (await import("./dashboards.js")).dashboardsPage);
later("/account/profile", async () => (await import("./account.js")).profilePage);
later("/account/security", async () => (await import("./account.js")).securityPage);
later("/account/sessions", async () => (await import("./account.js")).sessionsPage);
later("/account/activity", async () => (await import("./account.js")).activityPage);
later("/tenants/:tenant/billing", async () => (await import("./billing.js")).tenantBilling);
later("/platform/billing", async () => (await import("./billing.js")).platformBilling);
for (const [place, at] of [["tenant", "/tenants/:tenant"], ["platform", "/platform"]]) {
    for (const { names, load } of modules[place]) {
        for (const name of names) nounRoutes(at, name, async () => (await load()).find((noun) => noun.name === name));
    }
}
