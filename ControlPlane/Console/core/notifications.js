// Alerts as notifications of the browser, for whoever asked for them in this browser.

import { h, fill } from "./dom.js";
import { notify } from "./dialog.js";
import { listen, stayAwakeWhile } from "./events.js";
import { store, stored, t, whole } from "./words.js";

const isSupported = "Notification" in window && "locks" in navigator;
const isOn = () => isSupported && stored("eclusa.notify") === "yes" && Notification.permission === "granted";
let isMine = false;

/// One tab tells for all of the browser's, and goes on listening when it is not looked at; when it is closed
/// another one does.
export function begin() {
    if (!isOn() || isMine) return;
    navigator.locks.request("eclusa.notify", () => {
        isMine = true;
        return new Promise(() => {});
    });
}

stayAwakeWhile(() => isMine && isOn());

listen((kind, alert) => {
    if (kind !== "alert" || !isMine || !isOn()) return;
    const text = t(`alertSentence.${alert.kind}`, {
        about: alert.about, value: whole(alert.value), threshold: whole(alert.threshold),
    });
    const title = alert.resolved_at ? t("alert.resolvedNamed", { name: alert.rule_name }) : alert.rule_name;
    const shown = new Notification(title, { body: text, tag: alert.id, icon: "/console/icon.svg" });
    shown.onclick = () => window.focus();
});

/// A button that asks for notifications, or ends them.
export function notifyButton() {
    if (!isSupported) return [];
    const button = h("button", {
        type: "button", onclick: async () => {
            if (isOn()) {
                store("eclusa.notify", "no");
            } else if (await Notification.requestPermission() === "granted") {
                store("eclusa.notify", "yes");
                begin();
            } else {
                notify(t("alert.notifyRefused"), "bad");
            }
            paint();
        },
    });
    const paint = () => {
        fill(button, t(isOn() ? "alert.notifyOff" : "alert.notifyOn"));
        button.setAttribute("aria-pressed", String(isOn()));
    };
    paint();
    return [button];
}
