// The admin API: cookies carry the session, writes carry the CSRF text, a session that ran out is renewed or asked for
// again, and the request goes on as if nothing had been.

import { hasWord, t } from "./words.js";

const base = "/api/v1";

/// What the API refused: its problem document.
export class Problem extends Error {
    constructor(status, document) {
        super(document.detail ?? document.title ?? `HTTP ${status}`);
        this.status = status;
        this.code = document.code ?? "";
        this.detail = document.detail;
        this.title = document.title ?? "";
        this.fields = document.errors ?? [];
        this.requestID = document.request_id;
    }

    /// What to tell people, in their language where there are words for it.
    get text() {
        const key = `error.${this.code}`;
        if (!hasWord(key)) return this.message;
        return this.detail && document.documentElement.lang === "en" ? this.detail : t(key);
    }
}

let askToSignIn = null;

/// `ask` shows the sign-in and resolves when somebody has signed in again.
export function onSignedOut(ask) { askToSignIn = ask; }

const csrf = () => document.cookie.match(/(?:^|; )eclusa_csrf=([^;]*)/)?.[1];

async function send(method, path, { body, etag, query, signal, key } = {}) {
    const url = new URL(base + path, location.origin);
    for (const [name, value] of Object.entries(query ?? {})) {
        if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
    }
    const headers = { "eclusa-session": "cookie" };
    if (csrf()) headers["eclusa-csrf"] = csrf();
    if (body !== undefined) headers["content-type"] = "application/json";
    if (etag) headers["if-match"] = etag;
    if (key) headers["idempotency-key"] = key;
    let answer;
    try {
        answer = await fetch(url, {
            method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
        });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Problem(0, { code: "unreachable", title: t("error.unreachable") });
    }
    const isJSON = (answer.headers.get("content-type") ?? "").includes("json");
    const content = answer.status === 204 ? null : isJSON ? await answer.json() : await answer.text();
    if (!answer.ok) throw new Problem(answer.status, isJSON ? content : {});
    return {
        status: answer.status, body: content, etag: answer.headers.get("etag"),
        change: answer.headers.get("eclusa-change"),
    };
}

let renewing = null;

/// Trades the refresh cookie for a new session. One tab does it for all: a refresh token counts once.
function renew(staleCSRF) {
    renewing ??= (async () => {
        const trade = async () => {
            if (csrf() && csrf() !== staleCSRF) return true;
            if (!csrf()) return false;
            try {
                await send("POST", "/sessions/refresh", { body: {} });
                return true;
            } catch (problem) {
                if (problem.status === 401) return false;
                throw problem;
            }
        };
        return navigator.locks ? navigator.locks.request("eclusa-refresh", trade) : trade();
    })().finally(() => { renewing = null; });
    return renewing;
}

let asking = null;

/// Sends a request as whoever is signed in. Answers `{body, etag, change}`; throws `Problem`.
export async function request(method, path, options = {}) {
    const before = csrf();
    try {
        return await send(method, path, options);
    } catch (problem) {
        if (!isSignedOut(problem) || options.isOpen) throw problem;
    }
    if (!await renew(before)) {
        if (!askToSignIn || options.mayAsk === false) throw new Problem(401, { code: "unauthenticated" });
        asking ??= askToSignIn().finally(() => { asking = null; });
        await asking;
    }
    return send(method, path, options);
}

const isSignedOut = (problem) => problem.status === 401
    && (problem.code === "unauthenticated" || problem.code === "token_expired");

/// Whether there is a session, renewed if need be.
export const hasSession = async () => {
    if (!csrf()) return false;
    try {
        await request("GET", "/me", { mayAsk: false });
        return true;
    } catch (problem) {
        if (problem.status === 401) return false;
        throw problem;
    }
};

export const get = async (path, query, options) => (await request("GET", path, { query, ...options })).body;
export const post = async (path, body, options) => (await request("POST", path, { body, ...options })).body;
export const patch = async (path, body, options) => (await request("PATCH", path, { body, ...options })).body;
export const put = async (path, body, options) => (await request("PUT", path, { body, ...options })).body;
export const remove = async (path, options) => (await request("DELETE", path, options)).body;

/// For what needs no session: nobody is asked to sign in.
export const open = async (method, path, body) => (await request(method, path, { body, isOpen: true })).body;

/// Every item of a list, up to `limit`.
export async function all(path, query = {}, limit = 1000) {
    const items = [];
    let cursor;
    do {
        const page = await get(path, { ...query, limit: 200, cursor });
        items.push(...page.data);
        cursor = page.next_cursor;
    } while (cursor && items.length < limit);
    return items;
}

/// Where a stream of the API is, for links and `EventSource`.
export function address(path, query = {}) {
    const url = new URL(base + path, location.origin);
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    return url.pathname + url.search;
}
