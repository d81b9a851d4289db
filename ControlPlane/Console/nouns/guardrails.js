// Guardrails: what may go into calls and come out of them.

import { controls } from "../core/controls.js";
import { h } from "../core/dom.js";
import { badge } from "../core/parts.js";
import { label, t, whole } from "../core/words.js";
import { subjectControl, subjectName } from "./limits.js";

const paths = { workspace: "workspaces", route: "routes", key: "keys" };
const kinds = ["patterns", "words", "personal_data", "secrets", "size", "webhook"];
const personalData = ["email", "phone", "card", "iban", "ip_address"];
const words = (group, names) => names.map((one) => [one, t(`guardrail.${group}.${one}`)]);
const kind = (row) => t(`guardrail.kind.${row.kind}`);
const sides = (row) => row.sides.map((one) => t(`guardrail.side.${one}`)).join(", ");
const tags = (list) => (list.length === 0 ? "—" : h("span", { class: "tags" }, list.map((one) => h("span", { class: "tag" }, one))));
const bounds = (size) => (size ? tags(Object.entries(size).filter(([, one]) => one !== null).map(([name, one]) => `${label("field", name)}: ${whole(one)}`)) : "—");

const webhook = (row) => (row.webhook ? h("span", {}, h("code", {}, row.webhook.url), " ", h("span", { class: "tags" },
    h("span", { class: "tag" }, `${whole(row.webhook.timeout_ms)} ms`),
    h("span", { class: "tag" }, t(`guardrail.failure.${row.webhook.on_failure}`)))) : "—");

/// A secret to type, or one made here: whoever answers must know it too.
function secretControl(field, value, id) {
    const control = controls.secret(field, value, id);
    const make = h("button", {
        type: "button", onclick: () => {
            const bytes = crypto.getRandomValues(new Uint8Array(32));
            control.input.value = `whsec_${btoa(String.fromCharCode(...bytes))}`;
            control.input.dispatchEvent(new Event("input", { bubbles: true }));
        },
    }, t("guardrail.makeSecret"));
    return { ...control, element: h("div", {}, control.element, make) };
}

const isOf = (context, wanted) => (value) => wanted.includes(value.kind ?? context.row?.kind);

export const guardrails = {
    name: "guardrails", kind: "guardrail", path: (context) => `/tenants/${context.tenant}/guardrails`,
    permissions: { read: "guardrails:read", create: "guardrails:create", update: "guardrails:update", delete: "guardrails:delete" },
    title: (row) => row.name, subtitle: kind,
    columns: [
        { name: "name" }, { name: "kind", show: kind }, { name: "subject", show: (row, context) => subjectName(row, context, paths), isWide: true },
        { name: "sides", show: sides, isWide: true }, { name: "mode", show: (row) => badge(row.mode, "guardrail.mode") },
        { name: "enabled", kind: "enabled", isWide: true },
    ],
    filters: () => [
        { name: "kind", kind: "choice", values: words("kind", kinds) }, { name: "mode", kind: "choice", values: words("mode", ["enforce", "observe"]) },
        { name: "enabled", kind: "choice", values: [["true", t("status.enabled")], ["false", t("status.disabled")]] },
    ],
    details: [
        { name: "kind", show: kind }, { name: "subject", show: (row, context) => subjectName(row, context, paths) }, { name: "sides", show: sides },
        { name: "action", label: "guardrail.action", show: (row) => t(`guardrail.action.${row.action}`) },
        { name: "mode", show: (row) => badge(row.mode, "guardrail.mode") }, { name: "enabled", kind: "enabled" },
        { name: "patterns", show: (row) => tags(row.patterns) }, { name: "words", show: (row) => tags(row.words) },
        { name: "personal_data", show: (row) => tags(row.personal_data.map((one) => t(`guardrail.personal.${one}`))) },
        { name: "size", show: (row) => bounds(row.size) }, { name: "webhook", show: webhook }, { name: "secret_overlap_until", kind: "time" },
        { name: "id", kind: "code" }, { name: "created_at", kind: "time" }, { name: "updated_at", kind: "time" },
    ],
    fields: (context) => [
        { name: "name", required: true, hint: "hint.guardrailName" },
        { name: "subject", kind: "custom", on: "create", make: (value, id) => subjectControl(context, value, id, paths) },
        { name: "kind", kind: "choice", required: true, on: "create", values: words("kind", kinds) },
        { name: "patterns", kind: "lines", hint: "hint.guardrailPatterns", when: isOf(context, ["patterns"]), placeholder: "(?i)project \\w+" },
        { name: "words", kind: "lines", hint: "hint.guardrailWords", when: isOf(context, ["words"]) },
        { name: "personal_data", kind: "choices", when: isOf(context, ["personal_data"]), values: words("personal", personalData) },
        { name: "size", kind: "part", when: isOf(context, ["size"]), fields: ["messages", "characters", "tokens"].map((name) => ({ name, kind: "number" })) },
        {
            name: "webhook", kind: "part", hint: "hint.guardrailWebhook", when: isOf(context, ["webhook"]), fields: [
                { name: "url", placeholder: "https://" }, { name: "timeout_ms", kind: "number", placeholder: "2000" },
                { name: "on_failure", kind: "choice", required: true, default: "block", values: words("failure", ["block", "allow"]) },
            ],
        },
        {
            name: "webhook_secret", kind: "custom", hint: "hint.guardrailSecret", when: isOf(context, ["webhook"]),
            make: (value, id) => secretControl({ name: "webhook_secret", autocomplete: "new-password" }, value, id),
        },
        {
            name: "action", label: "guardrail.action", kind: "choice", required: true, default: "block", hint: "hint.guardrailAction",
            when: isOf(context, kinds.filter((one) => one !== "size")), values: words("action", ["block", "redact"]),
        },
        {
            name: "sides", kind: "choices", default: ["input", "output"], when: isOf(context, kinds.filter((one) => one !== "size")),
            values: words("side", ["input", "output"]),
        },
        { name: "mode", kind: "choice", required: true, default: "enforce", hint: "hint.guardrailMode", values: words("mode", ["enforce", "observe"]) },
        { name: "enabled", kind: "flag", default: true },
    ],
};
