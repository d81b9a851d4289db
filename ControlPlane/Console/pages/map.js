// What there is: the menu of a tenant and of the platform, and the page of every address.

import { createPage, detailPage, editPage, listPage } from "../core/noun.js";
import { route } from "../core/router.js";
import { isOfPlatform, may, settings } from "../core/session.js";
import { t } from "../core/words.js";
import { accessNouns } from "../nouns/access.js";
import { alertNouns } from "../nouns/alerts.js";
import { callNouns } from "../nouns/calls.js";
import { limits } from "../nouns/limits.js";
import { calls } from "../nouns/log.js";
import { reportSchedules } from "../nouns/reports.js";
import { platformNouns } from "../nouns/platform.js";

const nouns = {
    tenant: [...callNouns.tenant, limits, calls, reportSchedules, ...alertNouns, ...accessNouns.tenant],
    platform: [...callNouns.platform, ...alertNouns, ...accessNouns.platform, ...platformNouns],
};

/// Every noun's description, for tests.
export const all = nouns;

const watching = ["menu.alerts", [["alerts", "alerts:read"], ["alert-rules", "alerts:read"], ["alert-channels", "alerts:read"],
    ["alert-deliveries", "alerts:read"]]];

const item = (at, name, permission, tenant) =>
    (permission === null || may(permission, tenant) ? [`${at}/${name}`, t(`noun.${name}.menu`)] : null);

/// Groups of the menu: `[[title, [[path, text]]]]`. Only what whoever is here may read.
export function menu(tenant) {
    const at = tenant ? `/tenants/${tenant}` : "/platform";
    const groups = tenant
        ? [
            [null, [["dashboard", "usage:read"], ["usage", "usage:read"], ["calls", "usage:read"],
                ["report-schedules", "report-schedules:read"], ["playground", "keys:create"]]],
            ["menu.calls", [["keys", "keys:read"], ["routes", "routes:read"], ["models", "models:read"], ["providers", "providers:read"],
                ["limits", "limits:read"]]],
            watching,
            ["menu.people", [["members", "members:read"], ["invitations", "invitations:read"], ["groups", "groups:read"],
                ["roles", "roles:read"], ["bindings", "bindings:read"], ["service-accounts", "service-accounts:read"],
                ["identity-providers", "identity-providers:read"]]],
            ["menu.tenant", [["workspaces", "workspaces:read"], ["activity", "audit:read"], ["settings", "tenants:read"]]],
        ]
        : [
            [null, [["dashboard", null], ["tenants", null]]],
            ["menu.people", [["users", "users:read"], ["bindings", "bindings:read"], ["identity-providers", "identity-providers:read"]]],
            ["menu.shared", [["providers", "providers:read"], ["models", "models:read"]]],
            ["menu.fleet", [["nodes", "nodes:read"], ["join-tokens", "join-tokens:read"], ["rollouts", "snapshots:read"],
                ...(settings().dashboards ? [["dashboards", "nodes:read"]] : [])]],
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

function nounRoutes(at, list) {
    for (const noun of list) {
        const base = `${at}/${noun.name}`;
        const context = (parameters) => ({
            tenant: parameters.tenant ?? null, at: base.replace(":tenant", parameters.tenant),
        });
        route(base, (parameters) => listPage(noun, context(parameters)));
        if (noun.fields) {
            route(`${base}/new`, (parameters) => createPage(noun, context(parameters)));
            route(`${base}/:id/edit`, (parameters) => editPage(noun, context(parameters), parameters.id));
        }
        route(`${base}/:id`, (parameters) => detailPage(noun, context(parameters), parameters.id));
    }
}

/// A page whose module is loaded when it is first shown.
const later = (pattern, load) => route(pattern, async (parameters) => (await load())(parameters));

later("/tenants/:tenant/dashboard", async () => (await import("./dashboard.js")).tenantDashboard);
later("/platform/dashboard", async () => (await import("./dashboard.js")).platformDashboard);
later("/tenants/:tenant/usage", async () => (await import("./usage.js")).usagePage);
later("/tenants/:tenant/playground", async () => (await import("./playground.js")).playgroundPage);
later("/tenants/:tenant/settings", async () => (await import("./settings.js")).tenantSettings);
later("/platform/settings", async () => (await import("./settings.js")).platformSettings);
later("/platform/rollouts", async () => (await import("./rollouts.js")).rolloutsPage);
later("/platform/dashboards", async () => (await import("./dashboards.js")).dashboardsPage);
later("/account/profile", async () => (await import("./account.js")).profilePage);
later("/account/security", async () => (await import("./account.js")).securityPage);
later("/account/sessions", async () => (await import("./account.js")).sessionsPage);
later("/account/activity", async () => (await import("./account.js")).activityPage);
nounRoutes("/tenants/:tenant", nouns.tenant);
nounRoutes("/platform", nouns.platform);
