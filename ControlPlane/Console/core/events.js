// What happens, as it happens: one stream of the API for the page one looks at.

import { address, get } from "./api.js";

let source = null;
let watched;
let wait = 1000;
let timer = null;
let state = "off";
const listeners = new Set();
const stateListeners = new Set();
let isAwake = () => false;

/// Calls `heard(kind, data)` for every event until the answer is called.
export function listen(heard) {
    listeners.add(heard);
    return () => listeners.delete(heard);
}

/// While the condition holds, the page listens also when it is not looked at.
export function stayAwakeWhile(condition) { isAwake = condition; }

const isAsleep = () => document.visibilityState === "hidden" && !isAwake();

/// Calls `changed(state)` with "live", "lost" or "off", now and whenever it changes.
export function onState(changed) {
    stateListeners.add(changed);
    changed(state);
    return () => stateListeners.delete(changed);
}

function become(next) {
    if (state === next) return;
    const wasLost = state === "lost";
    state = next;
    for (const changed of stateListeners) changed(state);
    // What went by meanwhile is not known: pages read again.
    if (next === "live" && wasLost) emit("again", {});
}

function emit(kind, data) { for (const heard of listeners) heard(kind, data); }

/// Watches a tenant, or the platform with null.
export function watch(tenant) {
    if (source && watched === tenant) return;
    watched = tenant;
    wait = 1000;
    connect();
}

export function stop() {
    rest();
    watched = undefined;
    become("off");
}

function connect() {
    rest();
    if (isAsleep()) return;
    source = new EventSource(address("/events", { tenant: watched }));
    source.onopen = () => {
        wait = 1000;
        become("live");
    };
    for (const kind of ["audit", "node", "snapshot", "usage", "alert", "limit_alert"]) {
        source.addEventListener(kind, (event) => emit(kind, JSON.parse(event.data)));
    }
    source.onerror = () => {
        become("lost");
        source.close();
        timer = setTimeout(again, wait + Math.random() * wait / 2);
        wait = Math.min(wait * 2, 30_000);
    };
}

/// The stream ends with its access token: reading anything renews it first.
async function again() {
    const tenant = watched;
    try {
        await get("/me");
    } catch {
        timer = setTimeout(again, wait);
        wait = Math.min(wait * 2, 30_000);
        return;
    }
    if (tenant === watched) connect();
}

window.addEventListener("online", () => { if (state === "lost") again(); });

// A browser has six connections to a server for all its tabs: one that is not looked at gives its own back.
function rest() {
    clearTimeout(timer);
    source?.close();
    source = null;
}

function wake() {
    if (watched === undefined || source || isAsleep()) return;
    wait = 1000;
    become("lost");
    again();
}

document.addEventListener("visibilitychange", () => (isAsleep() ? rest() : wake()));
window.addEventListener("pagehide", rest);
window.addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
