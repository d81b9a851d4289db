// Nouns a call meets: workspaces, keys, routes, models, providers.

import { get, post, request } from "../core/api.js";
import { confirmDanger, doing, notify, openDialog, showOnce } from "../core/dialog.js";
import { h, fill, newID } from "../core/dom.js";
import { controls } from "../core/controls.js";
import { textOrFile } from "../core/files.js";
import { makeForm } from "../core/form.js";
import { innerList } from "../core/noun.js";
import { badge, card, description, failure, loading, moment, nameOf, table } from "../core/parts.js";
import { refresh } from "../core/router.js";
import { forgetNames, lookup, may, settings } from "../core/session.js";
import { label, money, t, whole } from "../core/words.js";
import { targetsControl, targetsView } from "./targets.js";

const under = (context) => (context.tenant ? `/tenants/${context.tenant}` : "");

export const workspaceField = (context, more = {}) => ({
    name: "workspace", kind: "reference", things: () => lookup(`${under(context)}/workspaces`), title: (one) => one.name, ...more,
});

export const workspaceColumn = {
    name: "workspace", isWide: true,
    show: (row, context) => (row.workspace ? nameOf(row.workspace, `${under(context)}/workspaces`, (one) => one.name) : t("common.all")),
};

export const memberField = (context, more = {}) => ({
    kind: "reference", things: () => lookup(`${under(context)}/members`), title: (one) => `${one.user.name} · ${one.user.email}`, ...more,
});

const memberName = (id, context) => nameOf(id, `${under(context)}/members`, (one) => one.user.name);

const created = [{ name: "created_at", kind: "ago", isWide: true }];
const timesOf = [{ name: "created_at", kind: "time" }, { name: "updated_at", kind: "time" }];
const idColumn = { name: "id", kind: "code" };

// MARK: Workspaces

const workspaces = {
    name: "workspaces", kind: "workspace", path: (context) => `${under(context)}/workspaces`,
    permissions: { read: "workspaces:read", create: "workspaces:create", update: "workspaces:update", delete: "workspaces:delete" },
    title: (row) => row.name,
    columns: [{ name: "name" }, { name: "slug", kind: "code" }, ...created],
    details: [{ name: "name" }, { name: "slug", kind: "code" }, idColumn, ...timesOf],
    fields: () => [{ name: "name", required: true }, { name: "slug", required: true }],
};

// MARK: Keys

const endpoints = ["chat", "completions", "embeddings", "moderations", "images", "audio", "models", "passthrough"];
const kinds = ["application", "personal", "playground"];

const keyScope = (context) => [
    { name: "expires_at", kind: "time" },
    { name: "endpoints", kind: "choices", values: endpoints, words: "endpoint", isNullable: true, isRare: true },
    {
        isRare: true, name: "routes", kind: "references", things: () => lookup(`${under(context)}/routes`), title: (route) => route.name,
    },
    {
        isRare: true, name: "models", kind: "references", things: () => lookup(`${under(context)}/models`), title: (model) => model.display_name || model.name,
    },
    { name: "ip_ranges", kind: "lines", placeholder: "10.0.0.0/8", isRare: true },
    { name: "not_before", kind: "time", isRare: true },
    { name: "tags", kind: "lines", isRare: true }, { name: "metadata", kind: "pairs", isRare: true },
    { name: "strict", kind: "flag", isRare: true },
];

function showKey(secret) {
    const url = settings().gateway_url;
    const sample = url && `curl ${url}/v1/chat/completions \\\n  -H "Authorization: Bearer ${secret}" \\\n`
        + "  -H 'Content-Type: application/json' \\\n"
        + "  -d '{\"model\":\"<route>\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'";
    return showOnce(t("secret.key"), [[t("secret.keyName"), secret], ...(sample ? [[t("secret.sample"), sample, true]] : [])]);
}

async function rotate(context, row) {
    const answer = await openDialog(t("action.rotate"), (close) => h("div", {}, h("p", {}, t("key.rotateText")), makeForm({
        fields: [{ name: "previous_valid_until", kind: "time" }], submit: t("action.rotate"), cancel: () => close(),
        save: async (value) => close(await post(`${context.one}/rotate`, value)),
    }).element));
    if (!answer) return;
    await showKey(answer.secret);
    await context.reload();
}

async function revoke(context, row) {
    const isSure = await confirmDanger({
        title: t("key.revokeTitle", { name: row.name }), text: t("key.revokeText"), action: t("action.revoke"),
    });
    if (!isSure) return;
    await request("POST", `${context.one}/revoke`, { body: {}, etag: context.etag });
    notify(t("key.revoked"));
    await context.reload();
}

async function revokeMatching(context) {
    const done = await openDialog(t("key.revokeMany"), (close) => h("div", {}, h("p", {}, t("key.revokeManyText")), makeForm({
        fields: [
            workspaceField(context), memberField(context, { name: "owner" }),
            { name: "kind", kind: "choice", values: kinds, words: "keyKind" }, { name: "tag" },
            { name: "created_before", kind: "time" }, { name: "unused_since", kind: "time" },
        ],
        submit: t("key.revokeMany"), cancel: () => close(),
        save: async (value) => {
            const path = `/tenants/${context.tenant}/key-revocations`;
            const trial = await post(path, value, { query: { dry_run: true } });
            const count = trial.revoked.length + trial.remaining;
            const isSure = await confirmDanger({
                title: t("key.revokeMany"), text: t("key.revokeManySure", { count: whole(count) }), action: t("action.revoke"),
            });
            if (isSure) close(await post(path, value));
        },
    }).element));
    if (done) notify(t("key.revokedMany", { count: whole(done.revoked.length), rest: whole(done.remaining) }));
}

const keys = {
    name: "keys", kind: "key", path: (context) => `${under(context)}/keys`,
    permissions: { read: "keys:read", create: "keys:create", update: "keys:update" },
    title: (row) => row.name,
    mayUpdate: (row) => row.standing !== "revoked",
    columns: [
        { name: "name" }, { name: "prefix", kind: "code", isWide: true }, { name: "standing", kind: "badge" },
        workspaceColumn, { name: "kind", isWide: true, kind: "badge", words: "keyKind" }, { name: "last_used_at", kind: "ago" },
    ],
    filters: (context) => [
        { name: "name_prefix" }, workspaceField(context), { name: "kind", kind: "choice", values: kinds, words: "keyKind" },
        { name: "standing", kind: "choice", values: ["active", "revoked", "expired", "not_yet_valid"], words: "status" }, { name: "tag" },
        { name: "unused_since", kind: "time" },
    ],
    listButtons: (context) => (may("keys:revoke", context.tenant)
        ? [h("button", { type: "button", class: "danger quiet", onclick: () => revokeMatching(context) }, t("key.revokeMany"))] : []),
    details: [
        { name: "standing", kind: "badge" }, { name: "prefix", kind: "code" }, idColumn, { ...workspaceColumn, isWide: false },
        { name: "kind", kind: "badge", words: "keyKind" },
        { name: "owner", show: (row, context) => (row.owner ? memberName(row.owner, context) : "—") },
        { name: "endpoints", kind: "list", words: "endpoint", none: "common.all" },
        { name: "routes", show: (row, context) => (row.routes.length === 0 ? t("common.all") : h("span", { class: "tags" },
            row.routes.map((id) => h("span", { class: "tag" }, nameOf(id, `${under(context)}/routes`, (one) => one.name))))) },
        { name: "models", show: (row, context) => (row.models.length === 0 ? t("common.all") : h("span", { class: "tags" },
            row.models.map((id) => h("span", { class: "tag" }, nameOf(id, `${under(context)}/models`, (one) => one.display_name || one.name))))) },
        { name: "ip_ranges", kind: "list", none: "common.everywhere" }, { name: "strict", kind: "flag" },
        { name: "tags", kind: "list" }, { name: "metadata", kind: "pairs" }, { name: "not_before", kind: "time" },
        { name: "expires_at", kind: "time" }, { name: "revoked_at", kind: "time" }, { name: "previous_valid_until", kind: "time" },
        { name: "last_used_at", kind: "ago" }, ...timesOf,
    ],
    fields: (context) => [
        { name: "name", required: true }, workspaceField(context, { required: true, on: "create" }),
        { name: "kind", kind: "choice", values: kinds, words: "keyKind", default: "application", required: true, on: "create" },
        memberField(context, { name: "owner" }), ...keyScope(context),
    ],
    thing: (answer) => answer.key,
    created: (context, answer) => showKey(answer.secret),
    actions: [
        { name: "rotate", permission: "keys:rotate", when: (row) => row.standing !== "revoked", run: rotate },
        {
            name: "endOverlap", permission: "keys:rotate", when: (row) => row.previous_valid_until !== null,
            run: async (context) => {
                await post(`${context.one}/end-overlap`, {});
                await context.reload();
            },
        },
        { name: "revoke", isDanger: true, permission: "keys:revoke", when: (row) => row.standing !== "revoked", run: revoke },
    ],
};

// MARK: Routes

const strategies = ["weighted", "priority", "round_robin", "least_latency", "least_busy", "cheapest", "affinity"];

const numbersOf = (...names) => names.map((name) => ({ name, kind: "number" }));

/// The figures of an object that has only such.
function figuresOf(figures) {
    const known = Object.entries(figures ?? {}).filter(([, value]) => value !== null);
    return known.length === 0 ? "—" : h("span", { class: "tags" }, known.map(([name, value]) =>
        h("span", { class: "tag" }, `${label("field", name)}: ${whole(value)}`)));
}

/// What would happen to a call, and why: by the code that decides it at the nodes.
function explain(context, model) {
    const place = h("div", {});
    return openDialog(t("action.explain"), (close) => h("div", {}, h("p", {}, t("explain.about")), makeForm({
        fields: [
            { name: "key", kind: "reference", required: true, things: () => lookup(`${under(context)}/keys`), title: (key) => key.name },
            { name: "model", required: true }, { name: "input_tokens", kind: "number" }, { name: "maximum_output", kind: "number", label: "playground.limit" },
        ],
        value: { model }, submit: t("action.explain"), cancel: () => close(),
        save: async (value) => {
            fill(place, explanation(await post(`${under(context)}/explain`, value)));
            return false;
        },
    }).element, place), { isWide: true });
}

export function explanation(found) {
    return h("div", {}, h("p", { class: `callout ${found.admitted ? "good" : "bad"}`, role: "status" },
        found.admitted ? t("explain.admitted") : h("span", {}, found.message ?? "", " ", h("code", {}, found.code ?? ""))),
    found.limits.length > 0 && table({
        caption: t("noun.limits.many"), rows: found.limits, columns: [
            { name: "name", show: (row) => h("span", {}, row.name, " ", h("span", { class: "note" }, row.part ?? "")) },
            { name: "mode", isWide: true, show: (row) => t(`limit.mode.${row.mode}`) },
            { name: "amount", isNumber: true, show: (row) => row.amount },
            { name: "remaining", isNumber: true, show: (row) => row.remaining ?? "—" },
            { name: "asks", isNumber: true, show: (row) => row.asks },
            { name: "fits", show: (row) => (row.fits === null ? "—" : t(row.fits ? "common.yes" : "common.no")) },
        ],
    }),
    found.targets.length > 0 && table({
        caption: t("field.targets"), rows: found.targets, columns: [
            { name: "position", show: (row) => (row.position === null ? "—" : whole(row.position)) },
            { name: "model", show: (row) => h("span", {}, row.upstream_model, " ", h("span", { class: "note" }, row.provider_name)) },
            { name: "left_out", show: (row) => (row.left_out ? label("leftOut", row.left_out) : t(`route.use.${row.use}`)) },
            { name: "estimated_cost", isNumber: true, isWide: true, show: (row) => (row.estimated_cost === null ? "—" : money(row.estimated_cost)) },
        ],
    }));
}

const routes = {
    name: "routes", kind: "route", path: (context) => `${under(context)}/routes`,
    permissions: { read: "routes:read", create: "routes:create", update: "routes:update", delete: "routes:delete" },
    isDeleteTyped: true,
    title: (row) => row.name,
    columns: [
        { name: "name" }, { name: "enabled", kind: "enabled" },
        { name: "strategy", isWide: true, show: (row) => t(`route.strategy.${row.strategy}`) },
        { name: "targets", isNumber: true, show: (row) => whole(row.targets.length) }, { name: "updated_at", kind: "ago", isWide: true },
    ],
    details: [
        { name: "enabled", kind: "enabled" }, { name: "strategy", show: (row) => t(`route.strategy.${row.strategy}`) },
        { name: "retries", show: (row) => figuresOf(row.retries) }, { name: "timeouts", show: (row) => figuresOf(row.timeouts) },
        { name: "cache", show: (row) => figuresOf(row.cache) }, idColumn, ...timesOf,
    ],
    fields: (context) => [
        { name: "name", required: true, placeholder: "chat", hint: "hint.routeName" },
        { name: "targets", kind: "custom", required: true, make: (value, id) => targetsControl(context, value, id) },
        {
            name: "strategy", kind: "choice", required: true, default: "weighted", values: strategies.map((one) => [one, t(`route.strategy.${one}`)]),
        },
        {
            name: "affinity", kind: "choice", required: true, default: "session", when: (value) => value.strategy === "affinity",
            values: ["session", "prompt_prefix"].map((one) => [one, t(`route.affinity.${one}`)]),
        },
        { name: "enabled", kind: "flag", default: true },
        { name: "retries", kind: "part", isRare: true, fields: numbersOf("attempts", "attempts_per_target", "backoff_ms", "hedge_after_ms", "hedge_percentile") },
        { name: "timeouts", kind: "part", isRare: true, fields: numbersOf("connect_ms", "first_byte_ms", "first_token_ms", "between_chunks_ms", "total_ms") },
        {
            name: "untranslated_fields", kind: "choice", isRare: true, required: true, default: "drop", hint: "hint.untranslatedFields",
            values: ["drop", "reject"].map((one) => [one, t(`route.untranslated.${one}`)]),
        },
        { name: "cache", kind: "part", isRare: true, hint: "hint.cache", fields: numbersOf("seconds", "maximum_bytes") },
    ],
    actions: [{ name: "explain", permission: "routes:read", run: (context, row) => explain(context, row.name) }],
    sections: [(context, row) => card(t("route.plan"), targetsView(context, row.targets))],
};

// MARK: Models and prices

const rates = ["input", "cached_input", "cache_write", "output", "reasoning"].map((name) => ({ name, kind: "decimal" }));

/// Rates for calls that read much: one part for each limit.
function tiersControl(value, id) {
    const rows = h("div", { id });
    let parts = [];
    const add = (tier = {}) => {
        const part = controls.part({ fields: [{ name: "above", kind: "number" }, ...rates] }, tier, newID(id));
        const row = h("div", { class: "card" }, part.element, h("button", {
            type: "button", class: "small quiet", onclick: () => {
                parts = parts.filter((one) => one !== part);
                row.remove();
                rows.dispatchEvent(new Event("input", { bubbles: true }));
            },
        }, t("common.remove")));
        parts.push(part);
        rows.append(row);
        return row;
    };
    for (const tier of value ?? []) add(tier);
    return {
        isGroup: true, read: () => parts.map((part) => part.read()).filter(Boolean),
        element: h("div", {}, rows, h("button", { type: "button", class: "small", onclick: () => add().querySelector("input").focus() }, t("price.addTier"))),
        complain: ([index, ...path], sentence) => parts[index]?.complain(path, sentence) ?? null,
    };
}

const priceFields = [
    ...rates.map((rate) => ({ ...rate, required: rate.name === "input" || rate.name === "output" })), { name: "effective_from", kind: "time" },
    { name: "batch", kind: "part", isRare: true, hint: "hint.batch", fields: rates },
    { name: "tiers", kind: "custom", isRare: true, hint: "hint.tiers", make: tiersControl },
];

const priceList = (context) => innerList(context, {
    title: "price.title", about: "price.about", add: "price.add", empty: "price.empty", path: `${context.one}/prices`,
    permission: "prices:create", fields: priceFields, created: () => notify(t("common.created")),
    columns: [
        { name: "effective_from", kind: "time" },
        ...["input", "cached_input", "cache_write", "output", "reasoning"].map((name) => ({
            name, isNumber: true, isWide: name !== "input" && name !== "output", show: (row) => money(row[name], row.currency),
        })),
        { name: "effective_until", kind: "time", isWide: true },
    ],
    actions: [
        {
            name: "endPrice", permission: "prices:update", when: (row) => row.effective_until === null && new Date(row.effective_from) <= new Date(),
            run: async (row) => {
                const isSure = await confirmDanger({ title: t("price.end"), text: t("price.endText"), action: t("action.endPrice") });
                if (!isSure) return false;
                await post(`${under(context)}/prices/${row.id}/end`, {});
                return true;
            },
        },
        {
            name: "remove", isDanger: true, permission: "prices:delete", when: (row) => new Date(row.effective_from) > new Date(),
            run: async (row) => {
                await request("DELETE", `${under(context)}/prices/${row.id}`);
                return true;
            },
        },
    ],
});

const providerColumn = {
    name: "provider", show: (row, context) => nameOf(row.provider, `${under(context)}/providers`, (one) => one.name),
};

const capabilities = [
    "chat", "embeddings", "moderation", "vision", "tools", "reasoning", "structured_output", "prompt_caching", "audio_input",
    "audio_output", "document_input", "image_output", "web_search",
];

/// Takes models and prices from this release's catalogue, or from a file in the community's format: shows first what it
/// would do.
function importModels(context) {
    const place = h("div", {});
    return openDialog(t("model.import"), (close) => h("div", {}, h("p", {}, t("model.importAbout")), makeForm({
        fields: [
            { name: "provider", kind: "reference", required: true, things: () => lookup(`${under(context)}/providers`), title: (one) => one.name },
            { name: "vendor", hint: "hint.vendor" },
            textOrFile({ name: "document", hint: "hint.document", accept: ".json,application/json", maximumBytes: 4_000_000 }),
            { name: "effective_from", kind: "time" },
        ],
        submit: t("model.preview"), cancel: () => close(),
        save: async (value) => {
            const found = await post(`${under(context)}/model-imports`, { ...value, preview: true });
            fill(place, h("p", {}, t("model.importSum", {
                created: whole(found.created), updated: whole(found.updated), priced: whole(found.priced), skipped: whole(found.skipped),
            })), table({
                caption: t("noun.models.many"), rows: found.models.slice(0, 200),
                columns: [{ name: "model", kind: "code" }, { name: "action", show: (row) => label("importAction", row.action) }, { name: "note" }],
            }), h("div", { class: "buttons" }, h("button", {
                type: "button", class: "primary", onclick: (event) => doing(event.currentTarget, async () => {
                    await post(`${under(context)}/model-imports`, value);
                    forgetNames();
                    notify(t("common.saved"));
                    close();
                    await refresh();
                }),
            }, t("model.importNow"))));
            return false;
        },
    }).element, place), { isWide: true });
}

const models = {
    name: "models", kind: "model", path: (context) => `${under(context)}/models`,
    permissions: { read: "models:read", create: "models:create", update: "models:update", delete: "models:delete" },
    title: (row) => row.display_name || row.name,
    columns: [
        { name: "name", show: (row) => row.display_name || row.name }, providerColumn,
        { name: "context_window", kind: "number", isNumber: true, isWide: true },
        { name: "maximum_output", kind: "number", isNumber: true, isWide: true }, ...created,
    ],
    details: [{ name: "name", kind: "code" }, { name: "display_name" }, providerColumn, { name: "context_window", kind: "number" },
        { name: "maximum_output", kind: "number" }, { name: "capabilities", kind: "list", words: "capability" }, { name: "source" }, idColumn, ...timesOf],
    listButtons: (context) => (may("models:create", context.tenant)
        ? [h("button", { type: "button", onclick: () => importModels(context) }, t("model.import"))] : []),
    fields: (context) => [
        {
            name: "provider", kind: "reference", required: true, things: () => lookup(`${under(context)}/providers`),
            title: (one) => one.name, on: "create",
        },
        { name: "name", required: true, hint: "hint.modelName" }, { name: "display_name" },
        { name: "context_window", kind: "number" }, { name: "maximum_output", kind: "number" },
        { name: "capabilities", kind: "choices", isRare: true, values: capabilities, words: "capability" }, { name: "source", isRare: true },
    ],
    sections: [priceList],
};

// MARK: Providers

const providerKinds = ["openai", "anthropic", "gemini", "ollama", "azure_openai", "bedrock", "vertex", "openai_compatible"];

function healthCard(context) {
    const place = h("div", {}, loading("4rem"));
    const show = (health) => {
        const test = health.last_test;
        fill(place, description([
            { name: "last_test", show: () => (test ? h("span", {}, badge(test.outcome), " ", moment(test.tested_at)) : t("provider.untested")) },
            ...(test ? [
                { name: "latency_ms", show: () => `${whole(test.latency_ms)} ms` },
                { name: "model_count", show: () => (test.model_count === null ? "—" : whole(test.model_count)) },
                ...(test.problem ? [{ name: "problem", show: () => test.problem }] : []),
            ] : []),
            { name: "calls_last_hour", kind: "number" }, { name: "failed_calls_last_hour", kind: "number" },
        ], health));
    };
    get(`${context.one}/health`).then(show, (problem) => fill(place, failure(problem)));
    return card(t("provider.health"), place);
}

async function testProvider(context) {
    const report = await post(`${context.one}/test`, {});
    await openDialog(t("provider.tested"), () => h("div", {},
        h("p", { class: `callout ${report.test.outcome === "passed" ? "good" : "bad"}` }, badge(report.test.outcome), " ",
            report.test.problem || t("provider.works", { ms: whole(report.test.latency_ms) })),
        report.models.length > 0 && h("details", {}, h("summary", {}, t("provider.models", { count: whole(report.models.length) })),
            h("ul", {}, report.models.map((name) => h("li", {}, h("code", {}, name)))))), { isWide: true });
    await context.reload();
}

const credentialList = (context) => innerList(context, {
    title: "credential.title", about: "credential.about", add: "credential.add", path: `${context.one}/credentials`,
    permission: "providers:update", created: () => notify(t("common.created")),
    fields: [{ name: "credential", kind: "secret", required: true }, { name: "name" }, { name: "weight", kind: "number" }],
    columns: [
        { name: "name" }, { name: "hint", label: "field.credential_hint", kind: "code" }, { name: "weight", kind: "number", isNumber: true },
        { name: "enabled", kind: "enabled" },
    ],
    actions: [
        {
            name: "change", permission: "providers:update", run: async (row) => await openDialog(t("action.change"), (close) => makeForm({
                fields: [{ name: "name" }, { name: "weight", kind: "number" }, { name: "enabled", kind: "flag" },
                    { name: "credential", kind: "secret", hint: "hint.replaceCredential" }],
                value: row.credential ? row : { ...row, credential: "" }, only: "changes", cancel: () => close(false),
                save: async (changes) => {
                    await request("PATCH", `${context.one}/credentials/${row.id}`, { body: changes });
                    close(true);
                },
            }).element) === true,
        },
        {
            name: "remove", isDanger: true, permission: "providers:update", run: async (row) => {
                const isSure = await confirmDanger({
                    title: t("confirm.delete", { name: row.name }), text: t("credential.deleteText"), action: t("common.delete"),
                });
                if (!isSure) return false;
                await request("DELETE", `${context.one}/credentials/${row.id}`);
                return true;
            },
        },
    ],
});

/// Options a kind of provider takes: fields of its own, from the API's list of kinds.
function optionsControl(value, id) {
    const place = h("div", { id }, h("p", { class: "hint" }, t("provider.noOptions")));
    const inputs = new Map();
    let known = [];
    let current = { ...value };
    const kindOf = () => place.closest("form")?.querySelector("[name=kind]")?.value;
    const arrange = () => {
        const kind = known.find((one) => one.kind === (place.kind ?? kindOf()));
        for (const [name, input] of inputs) current[name] = input.value;
        inputs.clear();
        if (!kind || kind.options.length === 0) return void fill(place, h("p", { class: "hint" }, t("provider.noOptions")));
        fill(place, kind.options.map((option) => {
            const input = h("input", { id: `${id}-${option.name}`, spellcheck: "false", value: current[option.name] ?? "" });
            inputs.set(option.name, input);
            return h("div", { class: "field" }, h("label", { htmlFor: input.id }, option.name,
                option.required && h("span", { class: "required" }, " *")), h("p", { class: "hint" }, option.summary), input);
        }));
    };
    get("/provider-kinds").then(({ data }) => {
        known = data;
        place.closest("form")?.querySelector("[name=kind]")?.addEventListener("change", arrange);
        arrange();
    });
    const read = () => {
        const given = [...inputs].map(([name, input]) => [name, input.value.trim()]).filter(([, text]) => text !== "");
        return inputs.size === 0 ? (value ?? {}) : Object.fromEntries(given);
    };
    return {
        isGroup: true, element: place, read, setKind: (kind) => { place.kind = kind; },
        complain: ([name], sentence) => {
            const input = inputs.get(name);
            if (!input) return null;
            input.after(h("p", { class: "error" }, sentence));
            return input;
        },
    };
}

const timeouts = ["connect_ms", "first_byte_ms", "between_chunks_ms", "total_ms"].map((name) => ({ name, kind: "number" }));

const providers = {
    name: "providers", kind: "provider", path: (context) => `${under(context)}/providers`,
    permissions: { read: "providers:read", create: "providers:create", update: "providers:update", delete: "providers:delete" },
    isDeleteTyped: true,
    title: (row) => row.name,
    columns: [
        { name: "name" }, { name: "kind", kind: "badge", words: "providerKind" }, { name: "enabled", kind: "enabled" },
        { name: "base_url", kind: "code", isWide: true }, { name: "credential_hint", kind: "code", isWide: true },
    ],
    details: [
        { name: "kind", kind: "badge", words: "providerKind" }, { name: "enabled", kind: "enabled" }, { name: "base_url", kind: "code" },
        { name: "credential_hint", kind: "code" }, { name: "options", kind: "pairs" }, { name: "headers", kind: "pairs" }, { name: "egress_proxy", kind: "code" },
        { name: "timeouts", show: (row) => h("span", { class: "tags" }, Object.entries(row.timeouts).map(([name, value]) =>
            h("span", { class: "tag" }, `${t(`field.${name}`)}: ${value === null ? "—" : whole(value)}`))) },
        idColumn, ...timesOf,
    ],
    fields: (context) => [
        {
            name: "kind", kind: "choice", required: true, values: providerKinds.map((kind) => [kind, t(`providerKind.${kind}`)]), on: "create",
        },
        { name: "name", required: true, hint: "hint.providerName" },
        { name: "base_url", placeholder: "https://api.example.com/v1" },
        { name: "credential", kind: "secret", on: "create" },
        {
            name: "options", kind: "custom", make: (value, id) => {
                const control = optionsControl(value, id);
                if (context.row) control.setKind(context.row.kind);
                return control;
            },
        },
        { name: "enabled", kind: "flag", default: true },
        { name: "headers", kind: "pairs", isRare: true }, { name: "timeouts", kind: "part", fields: timeouts, isRare: true },
        { name: "egress_proxy", isRare: true, isNullable: true, placeholder: "http://proxy.internal:3128", hint: "hint.egressProxy" },
    ],
    actions: [{ name: "test", permission: "providers:test", run: testProvider }],
    sections: [healthCard, credentialList],
    deleted: () => forgetNames(),
};

/// Those of a tenant, and those of the platform, which all tenants share.
export const callNouns = { tenant: [keys, routes, models, providers, workspaces], platform: [providers, models] };
