// Nouns of who may do what: members, invitations, groups, roles, bindings, service accounts, and what they did.

import { post, put, remove } from "../core/api.js";
import { controls } from "../core/controls.js";
import { confirmDanger, copyable, notify, openDialog, showOnce } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { innerList } from "../core/noun.js";
import { actionOf, actorName, badge, card, exportButtons, nameOf } from "../core/parts.js";
import { isPlatformRole, lookup, may, roleNames, tenantPermissions } from "../core/session.js";
import { actionName, kindName, label, t } from "../core/words.js";
import { memberField, workspaceColumn, workspaceField } from "./calls.js";

const under = (context) => (context.tenant ? `/tenants/${context.tenant}` : "");
const idColumn = { name: "id", kind: "code" };
const timesOf = [{ name: "created_at", kind: "time" }, { name: "updated_at", kind: "time" }];

/// Roles one can give: the built-in ones of the place, and the tenant's own.
const rolesOf = (context) => async () => {
    const own = context.tenant ? await lookup(`${under(context)}/roles`) : new Map();
    const builtIn = roleNames().filter((name) => isPlatformRole(name) === (context.tenant === null)).map((name) => [name, { id: name, name }]);
    return new Map([...builtIn, ...own]);
};
const roleTitle = (role) => label("role", role.name);
const roleField = (context, more = {}) => ({ name: "role", kind: "reference", things: rolesOf(context), title: roleTitle, ...more });
const roleName = (id, context) => (id.includes("role_") ? nameOf(id, `${under(context)}/roles`, (role) => role.name) : label("role", id));

// MARK: Members

const members = {
    name: "members", kind: "user", path: (context) => `${under(context)}/members`, id: (row) => row.user.id,
    permissions: { read: "members:read", create: "members:add", delete: "members:remove" },
    title: (row) => row.user.name, subtitle: (row) => row.user.email, row: (answer) => answer.member ?? answer,
    columns: [
        { name: "name", show: (row) => row.user.name }, { name: "email", show: (row) => row.user.email },
        { name: "status", show: (row) => badge(row.user.status) }, { name: "joined_at", kind: "ago", isWide: true },
    ],
    filters: () => [{ name: "name_prefix" }, { name: "email" }, { name: "status", kind: "choice", values: ["active", "disabled"] }],
    details: [
        { name: "email", show: (row) => row.user.email }, { name: "status", show: (row) => badge(row.user.status) },
        { name: "joined_at", kind: "time" }, { name: "id", show: (row) => h("code", {}, row.user.id) },
    ],
    fields: (context) => [
        may("users:read")
            ? { name: "user", kind: "reference", required: true, things: () => lookup("/users"), title: (user) => `${user.name} · ${user.email}` }
            : { name: "user", required: true, hint: "hint.memberUser" },
        roleField(context, { required: true }), workspaceField(context, { empty: "common.all" }),
    ],
    toCreate: ({ user, role, workspace }) => ({ user, roles: role ? [{ role, ...(workspace ? { workspace } : {}) }] : [] }),
    sections: [
        (context) => card(t("member.bindings"), context.whole.bindings.length === 0 ? h("p", { class: "hint" }, t("common.nothing"))
            : h("ul", { class: "plain" }, context.whole.bindings.map((binding) => h("li", {}, h("strong", {}, label("role", binding.role_name)), " · ",
                binding.workspace ? nameOf(binding.workspace, `${under(context)}/workspaces`, (one) => one.name) : t("common.all"),
                binding.group && [" · ", t("member.byGroup"), " ", nameOf(binding.group, `${under(context)}/groups`, (one) => one.name)])))),
        (context) => card(t("member.permissions"), h("span", { class: "tags" }, context.whole.permissions.map((one) => h("span", { class: "tag" }, one)))),
    ],
};

// MARK: Invitations

const invitations = {
    name: "invitations", kind: "invitation", path: (context) => `${under(context)}/invitations`, hasPage: false,
    permissions: { read: "invitations:read", create: "invitations:create" },
    title: (row) => row.email,
    filters: () => [{ name: "standing", kind: "choice", values: ["open", "accepted", "expired"], words: "status" }],
    columns: [
        { name: "email" }, { name: "roles", kind: "list", words: "role" }, { ...workspaceColumn },
        { name: "standing", kind: "badge" },
        { name: "expires_at", kind: "ago", isWide: true },
        {
            name: "actions", label: "common.actions", show: (row, context) => !row.accepted_at && h("span", { class: "buttons" },
                may("invitations:create", context.tenant) && h("button", {
                    type: "button", class: "small", onclick: () => post(`${under(context)}/invitations/${row.id}/resend`, {})
                        .then(() => notify(t("invitation.resent")), (problem) => notify(problem.text, "bad")),
                }, t("action.resend")),
                may("invitations:delete", context.tenant) && h("button", {
                    type: "button", class: "small danger quiet", onclick: async (event) => {
                        const line = event.target.closest("tr");
                        if (!await confirmDanger({ title: t("confirm.withdraw", { name: row.email }), text: t("invitation.withdrawText"), action: t("action.withdraw") })) return;
                        await remove(`${under(context)}/invitations/${row.id}`).then(() => line.remove(), (problem) => notify(problem.text, "bad"));
                    },
                }, t("action.withdraw"))),
        },
    ],
    fields: (context) => [
        { name: "email", kind: "email", required: true },
        { name: "roles", kind: "choices", required: true, words: "role", values: roleNames().filter((name) => !isPlatformRole(name)), default: ["developer"] },
        workspaceField(context, { empty: "common.all" }),
    ],
};

// MARK: Groups

const groups = {
    name: "groups", kind: "group", path: (context) => `${under(context)}/groups`,
    permissions: { read: "groups:read", create: "groups:create", update: "groups:update", delete: "groups:delete" },
    title: (row) => row.name, subtitle: (row) => row.description,
    columns: [{ name: "name" }, { name: "description" }, { name: "created_at", kind: "ago", isWide: true }],
    details: [{ name: "name" }, { name: "description" }, idColumn, ...timesOf],
    fields: () => [{ name: "name", required: true }, { name: "description", kind: "longText" }],
    sections: [(context) => innerList(context, {
        title: "group.members", add: "group.addMember", path: `${context.one}/members`, permission: "groups:update",
        fields: [memberField(context, { name: "user", required: true })],
        save: ({ user }) => put(`${context.one}/members/${user}`),
        columns: [{ name: "name" }, { name: "email" }],
        actions: [{ name: "remove", isDanger: true, permission: "groups:update", run: (row) => remove(`${context.one}/members/${row.id}`) }],
    })],
};

// MARK: Roles

const roles = {
    name: "roles", kind: "role", path: (context) => `${under(context)}/roles`, isDeleteTyped: true,
    permissions: { read: "roles:read", create: "roles:create", update: "roles:update", delete: "roles:delete" },
    title: (row) => row.name, subtitle: (row) => row.description,
    columns: [{ name: "name" }, { name: "description", isWide: true }, { name: "permissions", show: (row) => String(row.permissions.length), isNumber: true }],
    details: [
        { name: "name" }, { name: "description" },
        { name: "permissions", show: (row) => h("span", { class: "tags" }, row.permissions.map((one) => h("span", { class: "tag" }, one))) },
        idColumn, ...timesOf,
    ],
    fields: () => [
        { name: "name", required: true }, { name: "description", kind: "longText" },
        { name: "permissions", kind: "permissions", required: true, values: tenantPermissions() },
    ],
};

// MARK: Bindings

const subjectOf = (row, context) => {
    if (row.user) return nameOf(row.user, context.tenant ? `${under(context)}/members` : "/users", (one) => (one.user ?? one).name);
    if (row.group) return nameOf(row.group, `${under(context)}/groups`, (one) => one.name);
    return nameOf(row.service_account, `${under(context)}/service-accounts`, (one) => one.name);
};

const bindings = {
    name: "bindings", kind: "binding", path: (context) => `${under(context)}/bindings`,
    permissions: { read: "bindings:read", create: "bindings:create", delete: "bindings:delete" },
    title: (row) => label("role", row.role),
    columns: [
        { name: "subject", show: subjectOf },
        { name: "subject_kind", isWide: true, show: (row) => t(row.user ? "subject.user" : row.group ? "subject.group" : "subject.service_account") },
        { name: "role", show: (row, context) => roleName(row.role, context) }, workspaceColumn, { name: "created_at", kind: "ago", isWide: true },
    ],
    details: [
        { name: "subject", show: subjectOf }, { name: "role", show: (row, context) => roleName(row.role, context) },
        { ...workspaceColumn, isWide: false }, { name: "created_by", kind: "code" }, idColumn, { name: "created_at", kind: "time" },
    ],
    fields: (context) => {
        const kinds = context.tenant ? ["user", "group", "service_account"] : ["user", "service_account"];
        const things = {
            user: () => lookup(context.tenant ? `${under(context)}/members` : "/users"),
            group: () => lookup(`${under(context)}/groups`), service_account: () => lookup(`${under(context)}/service-accounts`),
        };
        return [
            { name: "subject_kind", kind: "choice", required: true, local: true, default: "user", values: kinds.map((kind) => [kind, t(`subject.${kind}`)]) },
            ...kinds.map((kind) => ({
                name: kind, kind: "reference", required: true, things: things[kind], label: `subject.${kind}`,
                title: (one) => (one.user ? `${one.user.name} · ${one.user.email}` : one.email ? `${one.name} · ${one.email}` : one.name),
                when: (value) => value.subject_kind === kind,
            })),
            roleField(context, { required: true }),
            ...(context.tenant ? [workspaceField(context, { empty: "common.all" })] : []),
        ];
    },
};

// MARK: Service accounts

const serviceAccounts = {
    name: "service-accounts", kind: "service_account", path: (context) => `${under(context)}/service-accounts`, isDeleteTyped: true,
    permissions: {
        read: "service-accounts:read", create: "service-accounts:create", update: "service-accounts:update", delete: "service-accounts:delete",
    },
    title: (row) => row.name, subtitle: (row) => row.description,
    columns: [{ name: "name" }, { name: "description", isWide: true }, { name: "status", kind: "badge" }, { name: "created_at", kind: "ago", isWide: true }],
    details: [{ name: "name" }, { name: "description" }, { name: "status", kind: "badge" }, idColumn, ...timesOf],
    fields: () => [
        { name: "name", required: true }, { name: "description", kind: "longText" },
        { name: "status", kind: "choice", values: ["active", "disabled"], required: true, on: "update" },
    ],
    sections: [(context) => innerList(context, {
        title: "token.title", about: "token.about", add: "token.add", path: `${context.one}/tokens`, permission: "service-accounts:update",
        fields: [{ name: "name", required: true }, { name: "expires_at", kind: "time" }],
        created: (answer) => showOnce(t("secret.token"), [[t("secret.tokenName"), answer.secret]]),
        columns: [
            { name: "name" }, { name: "prefix", kind: "code", isWide: true },
            { name: "standing", kind: "badge" },
            { name: "expires_at", kind: "ago", isWide: true }, { name: "last_used_at", kind: "ago", isWide: true },
        ],
        actions: [{
            name: "revoke", isDanger: true, when: (row) => !row.revoked_at, permission: "service-accounts:update", run: async (row) => {
                if (!await confirmDanger({ title: t("confirm.revoke", { name: row.name }), text: t("token.revokeText"), action: t("action.revoke") })) return false;
                await post(`${context.one}/tokens/${row.id}/revoke`, {});
                return true;
            },
        }],
    })],
};

// MARK: Identity providers

/// Groups there and the role each gives here.
function mappingsControl(context, value, id) {
    const control = controls.pairs({ name: "role_mappings" }, Object.fromEntries((value ?? []).map(({ group, role }) => [group, role])), id);
    return { ...control, read: () => Object.entries(control.read()).map(([group, role]) => ({ group, role })) };
}

const identityProviders = {
    name: "identity-providers", kind: "identity_provider", path: (context) => `${under(context)}/identity-providers`, isDeleteTyped: true,
    permissions: {
        read: "identity-providers:read", create: "identity-providers:create", update: "identity-providers:update", delete: "identity-providers:delete",
    },
    title: (row) => row.name,
    columns: [{ name: "name" }, { name: "issuer", kind: "code", isWide: true }, { name: "enabled", kind: "enabled" }],
    details: [
        { name: "issuer", kind: "code" }, { name: "client_id", kind: "code" }, { name: "has_client_secret", kind: "flag" }, { name: "enabled", kind: "enabled" },
        { name: "scopes", kind: "list" }, { name: "group_claim", kind: "code" },
        { name: "role_mappings", show: (row) => (row.role_mappings.length === 0 ? "—" : h("span", { class: "tags" }, row.role_mappings.map(({ group, role }) =>
            h("span", { class: "tag" }, `${group} → ${label("role", role)}`)))) },
        { name: "allowed_domains", kind: "list", none: "common.all" }, { name: "creates_users", kind: "flag" },
        { name: "callback", show: (row) => copyable(`${location.origin}/sign-in/callback/${row.id}`) }, idColumn, ...timesOf,
    ],
    fields: (context) => [
        { name: "name", required: true }, { name: "issuer", required: true, placeholder: "https://login.example.com" },
        { name: "client_id", required: true }, { name: "client_secret", kind: "secret" },
        { name: "enabled", kind: "flag", default: true }, { name: "creates_users", kind: "flag" }, { name: "allowed_domains", kind: "lines", placeholder: "example.com" },
        { name: "role_mappings", kind: "custom", hint: "hint.roleMappings", make: (value, id) => mappingsControl(context, value, id) },
        { name: "scopes", kind: "lines", isRare: true }, { name: "group_claim", isRare: true },
    ],
    toUpdate: (changes) => Object.fromEntries(Object.entries(changes).filter(([name, value]) => name !== "client_secret" || value !== "")),
};

// MARK: Activity

const auditPath = (context) => `${under(context)}/audit-events`;

async function verify(context) {
    const answer = await post(`${auditPath(context)}/verify`, {});
    await openDialog(t("audit.verify"), () => h("p", { class: `callout ${answer.holds ? "good" : "bad"}` }, answer.holds
        ? t("audit.holds", { count: answer.events }) : t("audit.broken", { place: answer.first_broken })));
}

const activity = {
    name: "activity", path: auditPath, permissions: { read: "audit:read" }, event: "audit",
    title: (row) => actionName(row.action, Boolean(row.details?.refused)),
    columns: [
        { name: "action", show: actionOf }, { name: "actor", show: actorName },
        { name: "target_kind", isWide: true, show: (row) => kindName(row.target_kind) }, { name: "occurred_at", kind: "ago" },
        { name: "address", kind: "code", isWide: true },
    ],
    details: [
        { name: "action", kind: "code" }, { name: "actor", show: actorName }, { name: "occurred_at", kind: "time" },
        { name: "target_kind", show: (row) => kindName(row.target_kind) }, { name: "target_id", kind: "code" },
        { name: "details", kind: "json" }, { name: "address", kind: "code" }, { name: "request_id", kind: "code" },
        { name: "sequence", kind: "number" }, { name: "hash", kind: "code" }, idColumn,
    ],
    filters: () => [
        { name: "action", placeholder: "keys.revoke" }, { name: "target_kind", placeholder: "key" }, { name: "target" },
        { name: "actor" }, { name: "from", kind: "time" }, { name: "to", kind: "time" },
    ],
    listButtons: (context) => [
        h("button", { type: "button", onclick: () => verify(context).catch((problem) => notify(problem.text, "bad")) }, t("audit.verify")),
        ...exportButtons(`${auditPath(context)}/export`),
    ],
};

export const accessNouns = {
    tenant: [members, invitations, groups, roles, bindings, serviceAccounts, identityProviders, activity],
    platform: [bindings, serviceAccounts, identityProviders, activity],
};
