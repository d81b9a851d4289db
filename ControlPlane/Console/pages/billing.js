// What a tenant has and owes, who is billed, and putting a balance right.

import { get, post, put } from "../core/api.js";
import { doing, notify, openDialog } from "../core/dialog.js";
import { h, fill } from "../core/dom.js";
import { makeForm } from "../core/form.js";
import { badge, card, description, failure, figure, linkButton, loading, nameOf, pageHead, table } from "../core/parts.js";
import { guard } from "../core/router.js";
import { may } from "../core/session.js";
import { currentLanguage, label, money, t } from "../core/words.js";

const parties = [
    { name: "name", required: true }, { name: "address", kind: "longText" }, { name: "email", kind: "email", isNullable: true }, { name: "tax_number" },
];

/// What only the platform settles.
const ofPlatform = [{ name: "issue_day", kind: "number", hint: "hint.issueDay" }];

/// Asks for a reason, and for more fields before it; null: it was left.
export const askReason = (title, fields) => openDialog(title, (close) => makeForm({
    fields: [...fields, { name: "reason", kind: "longText", required: true, hint: "hint.reason" }],
    submit: t("common.save"), cancel: () => close(null), save: async (value) => { close(value); },
}).element);

/// Who is named on invoices: the tenant, or the platform that issues them.
function settingsCard(base, tenant, title) {
    const place = h("div", {}, loading("8rem"));
    const fields = tenant ? parties : [...parties, ...ofPlatform];
    get(`${base}/billing-settings`).then((settings) => {
        if (!may("billing:update", tenant)) return void fill(place, description(fields, settings));
        const form = makeForm({
            fields, value: settings,
            save: async ({ name, address = "", email = null, tax_number = "", issue_day = null }) => {
                await put(`${base}/billing-settings`, { name, address, email, tax_number, ...(tenant ? {} : { issue_day }) });
                guard(() => false);
                notify(t("common.saved"));
            },
        });
        guard(form.isDirty);
        fill(place, form.element);
    }, (problem) => fill(place, failure(problem)));
    return card(t(title), place);
}

export async function platformBilling() {
    return h("div", {}, pageHead({ title: t("billing.title"), about: t("billing.platformAbout") }), settingsCard("", null, "billing.issuer"));
}

export async function tenantBilling({ tenant }) {
    const base = `/tenants/${tenant}`;
    const place = h("div", {}, loading("12rem"));
    const read = async () => {
        try {
            fill(place, balanceParts(await get(`${base}/balance`), base, read));
        } catch (problem) {
            fill(place, failure(problem, read));
        }
    };
    read();
    return h("div", {}, pageHead({
        title: t("billing.title"), about: t("billing.about"),
        buttons: [linkButton(`${base}/ledger`, t("noun.ledger.menu")), may("invoices:read", tenant) && linkButton(`${base}/invoices`, t("noun.invoices.menu"))],
    }), place, statementCard(base), may("billing:read", tenant) && settingsCard(base, tenant, "billing.customer"));
}

/// The first moments of this month and the eleven before it, in UTC as the ledger has its days.
function lastMonths() {
    const now = new Date();
    return Array.from({ length: 12 }, (_, back) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back)));
}

/// Sums of the ledger over one month.
function statementCard(base) {
    const place = h("div", { class: "statement" }, loading("6rem"));
    const select = (name, options) => {
        const input = h("select", { id: `statement-${name}`, onchange: () => read() }, options.map(([value, text]) => h("option", { value }, text)));
        return { input, element: h("div", { class: "field" }, h("label", { htmlFor: input.id }, t(`billing.statement.${name}`)), input) };
    };
    const format = new Intl.DateTimeFormat(currentLanguage(), { month: "long", year: "numeric", timeZone: "UTC" });
    const month = select("month", lastMonths().map((one) => [one.toISOString(), format.format(one)]));
    const by = select("by", ["workspace", "user", "day", "account"].map((name) => [name, label("field", name)]));
    const shown = {
        workspace: (row) => nameOf(row.workspace, `${base}/workspaces`, (one) => one.name),
        user: (row) => (row.user ? nameOf(row.user, `${base}/members`, (one) => one.user.name) : t("common.none")),
        day: (row) => h("time", { datetime: row.day }, row.day),
        account: (row) => t(`ledger.account.${row.account}`),
    };

    async function read() {
        const chosen = () => [month.input.value, by.input.value];
        const [begin, group] = chosen();
        const from = new Date(begin);
        const to = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1));
        try {
            const { data } = await get(`${base}/ledger/statement`, { from: from.toISOString(), to: to.toISOString(), group_by: group });
            if (chosen().join() !== [begin, group].join()) return;
            fill(place, data.length === 0 ? h("p", { class: "hint" }, t("billing.statement.empty")) : table({
                caption: t("billing.statement"), rows: data,
                columns: [{ name: group, show: shown[group] }, { name: "amount", kind: "money", isNumber: true }],
            }));
        } catch (problem) {
            fill(place, failure(problem, read));
        }
    }
    read();
    return card(t("billing.statement"), h("p", { class: "about" }, t("billing.statementAbout")),
        h("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, month.element, by.element), place);
}

function balanceParts(balance, base, read) {
    const button = (permission, text, work) => may(permission) && h("button", {
        type: "button", onclick: (event) => doing(event.currentTarget, async () => {
            if (await work() === false) return;
            notify(t("common.saved"));
            await read();
        }),
    }, t(text));
    const move = (path, text, hint) => async () => {
        const value = await askReason(t(text), [{ name: "amount", kind: "decimal", required: true, hint }]);
        if (!value) return false;
        await post(`${base}/${path}`, value);
        return true;
    };
    const next = balance.mode === "prepaid" ? "postpaid" : "prepaid";
    return [
        h("div", { class: "figures" },
            figure(t("billing.balance"), money(balance.balance), { note: t(`billing.mode.${balance.mode}`) }),
            figure(t("ledger.account.usage"), money(balance.usage)),
            figure(t("ledger.account.payments"), money(-Number(balance.payments) || 0)),
            figure(t("ledger.account.credits"), money(-Number(balance.credits) || 0))),
        h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, t("billing.now")), h("div", { class: "buttons" },
            button("credits:create", "billing.credit", move("credits", "billing.credit", "hint.credit")),
            button("adjustments:create", "billing.adjust", move("adjustments", "billing.adjust", "hint.adjustment")),
            button("billing-mode:update", `billing.become.${next}`, () => post(`${base}/billing-mode`, { mode: next })))),
        description([
            { name: "mode", show: (row) => badge(row.mode, "billing.mode") },
            ...["own_usage", "provider_costs", "adjustments"].map((name) => ({ name, label: `ledger.account.${name}`, kind: "money" })),
            ...(balance.limit ? [{ name: "limit", kind: "code" }] : []),
        ], balance)),
    ];
}
