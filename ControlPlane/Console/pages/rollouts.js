// Configurations on their way to the nodes: where they are, what is in them, stopping, going back; and what signs them.

import { get, post } from "../core/api.js";
import { confirmDanger, doing, notify, openDialog } from "../core/dialog.js";
import { h, fill } from "../core/dom.js";
import { listen } from "../core/events.js";
import { badge, card, description, failure, loading, moment, pageHead, table } from "../core/parts.js";
import { may } from "../core/session.js";
import { t } from "../core/words.js";

export async function rolloutsPage() {
    const place = h("div", {}, loading("20rem"));
    const page = h("div", {}, pageHead({ title: t("rollout.title"), about: t("rollout.about") }), place);
    const read = async () => {
        try {
            const [rollout, snapshots, trust] = await Promise.all([get("/rollout"), get("/snapshots"), get("/trust")]);
            fill(place, state(rollout, read), versions(rollout, snapshots.data, read), signing(trust, read));
        } catch (problem) {
            fill(place, failure(problem, read));
        }
    };
    read();
    const stop = listen((kind) => {
        if (!page.isConnected) return void stop();
        if ((kind === "snapshot" || kind === "again") && !document.querySelector("dialog")) read();
    });
    return page;
}

const button = (text, work, kind = "") => h("button", {
    type: "button", class: kind, onclick: (event) => doing(event.currentTarget, work),
}, t(text));

function state(rollout, read) {
    const change = async (path, body, ask = null) => {
        if (ask && !await confirmDanger(ask)) return;
        await post(`/rollout/${path}`, body);
        notify(t("common.saved"));
        await read();
    };
    const mayPublish = may("snapshots:publish");
    const isStill = rollout.stage === "frozen" || rollout.stage === "stopped";
    return h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, t("rollout.now")),
        mayPublish && h("div", { class: "buttons" },
            rollout.stage !== "frozen" && button("action.freeze", () => change("freeze", undefined, {
                title: t("rollout.freezeTitle"), text: t("rollout.freezeText"), action: t("action.freeze"),
            })),
            isStill && button("action.resume", () => change("resume", undefined), "primary"))),
    h("p", { class: "about" }, t(`rollout.stage.${rollout.stage}`)),
    description([
        { name: "version", kind: "code" }, { name: "stage", kind: "badge" },
        ...["since"].map((name) => ({ name, kind: "ago" })),
        ...["held_version", "settings_of", "pinned_version"].filter((name) => rollout[name]).map((name) => ({ name, kind: "code" })),
        ...(rollout.reason ? [{ name: "reason" }] : []),
    ], rollout));
}

function versions(rollout, snapshots, read) {
    const difference = async (row) => {
        const found = await get(`/snapshots/${row.version}/difference`);
        await openDialog(t("rollout.differenceOf", { from: found.from, to: found.to }), () => h("div", {},
            ["added", "removed", "changed"].filter((kind) => found[kind].length > 0).map((kind) => h("section", {},
                h("h3", {}, t(`rollout.${kind}`)), h("ul", { class: "diff" }, found[kind].map((one) =>
                    h("li", { class: `diff-${kind}` }, h("code", {}, one)))))),
            found.added.length + found.removed.length + found.changed.length === 0 && h("p", {}, t("rollout.same")),
            found.truncated && h("p", { class: "hint" }, t("rollout.truncated"))), { isWide: true });
    };
    const rollBack = async (row) => {
        const isSure = await confirmDanger({
            title: t("rollout.backTitle", { version: row.version }), text: t("rollout.backText"), action: t("action.rollBack"),
        });
        if (!isSure) return;
        await post("/rollout/rollback", { version: row.version });
        notify(t("rollout.rolledBack", { version: row.version }));
        await read();
    };
    return card(t("rollout.versions"), h("p", { class: "about" }, t("rollout.versionsAbout")), table({
        caption: t("rollout.versions"), rows: snapshots,
        columns: [
            { name: "version", show: (row) => h("span", {}, h("code", {}, row.version), " ", row.version === rollout.version ? badge("live") : null) },
            { name: "published_at", show: (row) => moment(row.published_at) },
            {
                name: "actions", label: "common.actions", show: (row) => h("span", { class: "buttons" },
                    button("action.difference", () => difference(row), "small"),
                    may("snapshots:publish") && row.version !== rollout.version && button("action.rollBack", () => rollBack(row), "small danger quiet")),
            },
        ],
    }));
}

function signing(trust, read) {
    const rotate = (what) => button(`trust.${what}`, async () => {
        const isSure = await confirmDanger({ title: t(`trust.${what}`), text: t(`trust.${what}Text`), action: t("action.rotate") });
        if (!isSure) return;
        await post(`/trust/${what}`, undefined);
        notify(t("common.saved"));
        await read();
    });
    return h("section", { class: "card" }, h("h2", {}, t("trust.title")), h("p", { class: "about" }, t("trust.about")), description([
        { name: "epoch", kind: "number" }, { name: "key_set_version", kind: "number" }, { name: "threshold", kind: "number" },
        { name: "root_keys", kind: "list" }, { name: "snapshot_key", kind: "code" }, { name: "snapshot_key_expires_at", kind: "time" },
        { name: "fleet_key", kind: "code" },
    ], trust), may("snapshots:publish") && h("div", { class: "buttons" },
        ["rotate-snapshot-key", "rotate-root-key", "rotate-fleet-key", "raise-epoch"].map(rotate)));
}
