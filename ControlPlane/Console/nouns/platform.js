// Nouns of the platform: tenants, users, nodes, join tokens, mails, backups.

import { get, post, put, request } from "../core/api.js";
import { confirmDanger, notify, showOnce } from "../core/dialog.js";
import { h, fill } from "../core/dom.js";
import { makeForm } from "../core/form.js";
import { innerList } from "../core/noun.js";
import { badge, card, failure, linkButton, loading, nameOf } from "../core/parts.js";
import { go } from "../core/router.js";
import { isPlatformRole, may, reloadTenants, roleNames } from "../core/session.js";
import { label, t } from "../core/words.js";

const idColumn = { name: "id", kind: "code" };
const timesOf = [{ name: "created_at", kind: "time" }, { name: "updated_at", kind: "time" }];

/// A button's work on one thing: asks if it must, does it, reads again.
const act = (path, { ask = null, done = "common.saved" } = {}) => async (context, row) => {
    if (ask && !await confirmDanger(ask(row))) return;
    await request("POST", `${context.one}/${path}`, { body: {}, etag: context.etag });
    notify(t(done));
    await context.reload();
};

// MARK: Tenants

const zones = () => (Intl.supportedValuesOf ? ["UTC", ...Intl.supportedValuesOf("timeZone")] : ["UTC"]).map((zone) => [zone, zone]);

export const tenantFields = [
    { name: "name", required: true }, { name: "slug", required: true },
    { name: "time_zone", kind: "choice", required: true, get values() { return zones(); }, on: "update" },
    { name: "currency", required: true, on: "update" },
    { name: "retention_days", kind: "number", on: "update" },
    { name: "content_days", kind: "number", on: "update" }, { name: "content_percent", kind: "number", required: true, on: "update" },
    { name: "region", isNullable: true, on: "update" },
    { name: "sign_up_domain", isNullable: true, on: "update" },
];

/// What is added to providers' prices when this tenant's calls are counted.
function markupCard(tenant) {
    const place = h("div", {}, loading("4rem"));
    const path = `/tenants/${tenant.id}/markup`;
    get(path).then((markup) => fill(place, may("markups:update") ? makeForm({
        fields: [{ name: "percent", kind: "decimal", required: true, hint: "hint.markup" }], value: markup,
        save: async (value) => {
            await put(path, value);
            notify(t("common.saved"));
        },
    }).element : h("p", {}, `${markup.percent} %`)), (problem) => fill(place, failure(problem)));
    return card(t("markup.title"), place);
}

const tenants = {
    name: "tenants", kind: "tenant", path: () => "/tenants", isDeleteTyped: true,
    permissions: { read: null, create: "tenants:create", update: "tenants:update", delete: "tenants:delete" },
    title: (row) => row.name,
    columns: [
        { name: "name" }, { name: "slug", kind: "code", isWide: true }, { name: "status", kind: "badge" },
        { name: "region", isWide: true }, { name: "created_at", kind: "ago", isWide: true },
    ],
    details: [
        { name: "status", kind: "badge" }, { name: "slug", kind: "code" }, { name: "time_zone" }, { name: "currency" },
        { name: "retention_days", kind: "number" }, { name: "content_days", kind: "number" }, { name: "region" }, { name: "sign_up_domain" },
        idColumn, ...timesOf,
    ],
    fields: () => tenantFields,
    mayDelete: (row) => row.status !== "deleting",
    actions: [
        { name: "openTenant", run: (context, row) => go(`/tenants/${row.id}/dashboard`) },
        {
            name: "suspend", isDanger: true, permission: "tenants:suspend", when: (row) => row.status === "active", run: act("suspend", {
                ask: (row) => ({ title: t("tenant.suspendTitle", { name: row.name }), text: t("tenant.suspendText"), action: t("action.suspend") }),
            }),
        },
        { name: "resume", permission: "tenants:suspend", when: (row) => row.status === "suspended", run: act("resume") },
    ],
    sections: [(context, row) => may("prices:read") && markupCard(row)],
    created: reloadTenants, updated: reloadTenants, deleted: reloadTenants,
};

// MARK: Users

const sessionsOf = (context) => innerList(context, {
    title: "session.title", path: `${context.one}/sessions`,
    columns: [
        { name: "user_agent", kind: "browser" }, { name: "address", kind: "code", isWide: true }, { name: "last_seen_at", kind: "ago" },
        { name: "expires_at", kind: "ago", isWide: true },
    ],
});

const users = {
    name: "users", kind: "user", path: () => "/users", isDeleteTyped: true,
    permissions: { read: "users:read", create: "users:create", update: "users:update", delete: "users:delete" },
    title: (row) => row.name, subtitle: (row) => row.email,
    row: (answer) => answer.user ?? answer, thing: (answer) => answer.user,
    columns: [
        { name: "name" }, { name: "email" }, { name: "status", kind: "badge" }, { name: "created_at", kind: "ago", isWide: true },
    ],
    filters: () => [{ name: "name_prefix" }, { name: "email" }, { name: "status", kind: "choice", values: ["active", "disabled"] }],
    details: [
        { name: "email" }, { name: "status", kind: "badge" }, { name: "locale", kind: "language" }, { name: "email_verified_at", kind: "time" }, idColumn, ...timesOf,
    ],
    fields: () => [
        { name: "name", required: true }, { name: "email", kind: "email", required: true, on: "create" },
        { name: "password", kind: "secret", required: true, on: "create", autocomplete: "new-password", hint: "hint.new_password" },
        {
            name: "roles", kind: "choices", words: "role", on: "create", values: roleNames().filter(isPlatformRole), hint: "hint.platformRoles",
        },
        { name: "locale", kind: "choice", required: true, on: "update", values: [["en", "English"], ["pt-BR", "Português (Brasil)"]] },
    ],
    toCreate: ({ roles = [], ...value }) => ({ ...value, bindings: roles.map((role) => ({ role })) }),
    actions: [
        {
            name: "disable", isDanger: true, permission: "users:update", when: (row) => row.status === "active", run: act("disable", {
                ask: (row) => ({ title: t("user.disableTitle", { name: row.name }), text: t("user.disableText"), action: t("action.disable") }),
            }),
        },
        { name: "enable", permission: "users:update", when: (row) => row.status === "disabled", run: act("enable") },
        {
            name: "endSessions", permission: "users:update", run: act("sessions/end", {
                ask: (row) => ({ title: t("user.endTitle", { name: row.name }), text: t("user.endText"), action: t("action.endSessions") }),
            }),
        },
        {
            name: "resetSecondFactor", permission: "users:update", run: act("second-factor/reset", {
                ask: (row) => ({ title: t("user.resetTitle", { name: row.name }), text: t("user.resetText"), action: t("action.resetSecondFactor") }),
            }),
        },
    ],
    sections: [
        (context) => card(t("user.bindings"), context.whole.bindings.length === 0 ? h("p", { class: "hint" }, t("common.nothing"))
            : h("ul", { class: "plain" }, context.whole.bindings.map((binding) => h("li", {}, label("role", binding.role), " · ",
                binding.tenant ? nameOf(binding.tenant, "/tenants", (one) => one.name) : t("shell.platform"))))),
        sessionsOf,
    ],
};

// MARK: Nodes

const nodes = {
    name: "nodes", kind: "node", event: "node", path: () => "/nodes", permissions: { read: "nodes:read" },
    title: (row) => row.name,
    filters: () => [{ name: "name_prefix" }, { name: "region" }, { name: "status", kind: "choice", values: ["active", "draining", "revoked"] }],
    columns: [
        { name: "name" }, { name: "connected", show: (row) => badge(row.connected ? "connected" : "disconnected") },
        { name: "status", kind: "badge" }, { name: "region", isWide: true }, { name: "running_version", kind: "code", isWide: true },
        { name: "lag_ms", kind: "number", isNumber: true, isWide: true }, { name: "outbox_events", kind: "number", isNumber: true, isWide: true },
    ],
    listButtons: () => (may("join-tokens:create") ? [linkButton("/platform/join-tokens/new", t("noun.join-tokens.create"), { kind: "primary", symbol: "plus" })] : []),
    details: [
        { name: "status", kind: "badge" }, { name: "connected", show: (row) => badge(row.connected ? "connected" : "disconnected") },
        { name: "region" }, { name: "software_version" }, { name: "running_version", kind: "code" }, { name: "lag_ms", kind: "number" },
        { name: "outbox_events", kind: "number" }, { name: "last_error" }, { name: "joined_at", kind: "time" }, { name: "last_seen_at", kind: "ago" },
        { name: "identity_key", kind: "code" }, idColumn,
    ],
    actions: [{
        name: "revoke", isDanger: true, permission: "nodes:revoke", when: (row) => row.status !== "revoked", run: async (context, row) => {
            if (!await confirmDanger({ title: t("node.revokeTitle", { name: row.name }), text: t("node.revokeText"), action: t("action.revoke"), name: row.name })) return;
            const answer = await post(`${context.one}/revoke`, undefined);
            notify(t(answer.exposed_providers.length > 0 ? "node.revokedExposed" : "node.revoked", { count: answer.exposed_providers.length }));
            await context.reload();
        },
    }],
};

const joinTokens = {
    name: "join-tokens", kind: "join_token", path: () => "/join-tokens", hasPage: false,
    permissions: { read: "join-tokens:read", create: "join-tokens:create" },
    title: (row) => row.node_name,
    filters: () => [{ name: "standing", kind: "choice", values: ["open", "used", "expired"], words: "status" }],
    columns: [
        { name: "node_name" }, { name: "standing", kind: "badge" }, { name: "region", isWide: true }, { name: "expires_at", kind: "ago" },
        { name: "used_at", kind: "ago", isWide: true },
        {
            name: "actions", label: "common.actions", show: (row) => row.standing === "open" && may("join-tokens:delete") && h("button", {
                type: "button", class: "small danger quiet", onclick: async (event) => {
                    const line = event.target.closest("tr");
                    if (!await confirmDanger({ title: t("confirm.withdraw", { name: row.node_name }), text: t("joinToken.withdrawText"), action: t("action.withdraw") })) return;
                    await request("DELETE", `/join-tokens/${row.id}`).then(() => line.remove(), (problem) => notify(problem.text, "bad"));
                },
            }, t("action.withdraw")),
        },
    ],
    fields: () => [
        { name: "node_name", required: true }, { name: "region" }, { name: "expires_in", kind: "number", hint: "hint.expires_in" },
    ],
    thing: (answer) => answer.join_token,
    created: (context, answer) => showOnce(t("secret.join"), [
        [t("secret.joinName"), answer.bundle, true], [t("secret.joinRun"), `ECLUSA_JOIN='${answer.bundle}' eclusa-gateway --data-directory /var/lib/eclusa`, true],
    ]),
};

// MARK: The house

const mails = {
    name: "mails", kind: "mail", path: () => "/mails", permissions: { read: "settings:read" }, hasPage: false,
    title: (row) => row.recipient,
    columns: [
        { name: "recipient" }, { name: "kind", isWide: true, show: (row) => label("mailKind", row.kind) }, { name: "status", kind: "badge" },
        { name: "attempts", kind: "number", isNumber: true, isWide: true }, { name: "reason", isWide: true }, { name: "created_at", kind: "ago" },
    ],
    filters: () => [{ name: "status", kind: "choice", values: ["waiting", "sent", "failed"] }],
};

const backups = {
    name: "backups", kind: "backup", path: () => "/backups", permissions: { read: "backups:read" },
    title: (row) => row.file ?? label("status", row.status),
    columns: [
        { name: "requested_at", kind: "time" }, { name: "status", kind: "badge" }, { name: "bytes", kind: "bytes", isNumber: true },
        { name: "checked_at", kind: "ago", isWide: true }, { name: "problem", isWide: true },
    ],
    listButtons: () => (may("backups:create") ? [h("button", {
        type: "button", class: "primary", onclick: () => post("/backups", undefined).then(
            (backup) => go(`/platform/backups/${backup.id}`), (problem) => notify(problem.text, "bad")),
    }, t("noun.backups.create"))] : []),
    details: [
        { name: "status", kind: "badge" }, { name: "file", kind: "code" }, { name: "bytes", kind: "bytes" }, { name: "sha256", kind: "code" },
        { name: "scheduled", kind: "flag" }, { name: "requested_by", kind: "code" }, { name: "requested_at", kind: "time" },
        { name: "started_at", kind: "time" }, { name: "finished_at", kind: "time" }, { name: "problem" }, { name: "checked_at", kind: "time" },
        { name: "check_problem" }, { name: "removed_at", kind: "time" },
    ],
};

export const platformNouns = [tenants, users, nodes, joinTokens, mails, backups];
