// The console's start: its language, who is here, the frame around the pages, and which page shows.

import { hasSession, onSignedOut, remove } from "./core/api.js";
import { confirmLeaving, doing, notify, openDialog } from "./core/dialog.js";
import { repaint } from "./core/chart.js";
import { h, fill, icon } from "./core/dom.js";
import * as events from "./core/events.js";
import { failure, pageHead } from "./core/parts.js";
import { find, go, here, href, refresh, start } from "./core/router.js";
import { begin as beginNotifying } from "./core/notifications.js";
import * as session from "./core/session.js";
import { currentLanguage, preferredLanguage, speak, store, stored, t } from "./core/words.js";
import { menu } from "./pages/map.js";
import { entrancePage, finishProvider, signInForm } from "./pages/entrance.js";

const root = document.getElementById("console");
const openPages = ["/sign-up", "/accept-invitation", "/verify-email", "/reset-password", "/forgot-password"];
let main = null;
let side = null;
let tenant = null;

async function begin() {
    await speak(preferredLanguage());
    onSignedOut(signInAgain);
    const failed = await finishProvider();
    if (!openPages.includes(here()) && await hasSession()) await enter();
    await start(show, confirmLeaving);
    if (failed) notify(failed, "bad");
    root.removeAttribute("aria-busy");
}

async function enter() {
    await session.load();
    beginNotifying();
    // English is what nobody chose: then the browser's own language stays.
    const { locale } = session.me();
    if (locale !== "en" && locale !== currentLanguage() && !stored("eclusa.language")) await speak(locale);
    main = null;
}

/// The session ended while somebody was at work: they sign in over what they see, and go on.
function signInAgain() {
    if (!main) return new Promise(() => { leave(); });
    return openDialog(t("signIn.again"), (close) => h("div", {},
        h("p", {}, t("signIn.againText")), signInForm({
            email: session.me().email,
            done: async () => {
                const before = session.me().id;
                await session.load();
                if (session.me().id !== before) location.reload();
                close(true);
            },
        })), { mayDismiss: false });
}

function leave() {
    session.forget();
    events.stop();
    main = null;
    return refresh();
}

// MARK: Showing pages

let turn = 0;

async function show(path) {
    turn += 1;
    const mine = turn;
    if (!session.isSignedIn() || openPages.includes(path)) {
        main = null;
        document.title = "Eclusa";
        fill(root, entrancePage(path, async () => {
            await enter();
            if (openPages.includes(here())) return go("/", { replace: true });
            return refresh();
        }));
        focusTitle();
        return;
    }
    if (path === "/") return go(home(), { replace: true });
    const found = find(path);
    const wanted = found?.parameters.tenant ?? null;
    if (wanted !== null && session.myTenants().some(({ id }) => id === wanted)) store("eclusa.tenant", wanted);
    if (!main || tenant !== wanted) {
        tenant = wanted;
        frame();
    }
    events.watch(tenant);
    markPlace(path);
    closeSide();
    window.scrollTo(0, 0);
    try {
        const page = found ? await found.page(found.parameters) : pageHead({
            title: t("failure.noPage"), about: t("failure.noPageText"),
        });
        if (mine !== turn) return;
        fill(main, page);
    } catch (problem) {
        if (mine !== turn) return;
        fill(main, failure(problem, refresh));
    }
    document.title = `${main.querySelector("h1")?.textContent ?? ""} · Eclusa`;
    focusTitle();
}

/// Screen readers start where the new page does.
function focusTitle() {
    root.querySelector("main h1")?.focus({ preventScroll: true });
}

function home() {
    const kept = stored("eclusa.tenant");
    const mine = session.myTenants();
    const wanted = mine.find(({ id }) => id === kept);
    if (session.isOfPlatform() && !wanted) return "/platform/dashboard";
    const first = wanted ?? mine[0];
    return first ? `/tenants/${first.id}/dashboard` : "/account/profile";
}

// MARK: The frame

function frame() {
    main = h("main", { id: "main", tabIndex: -1 });
    side = sideBar();
    fill(root, h("a", { class: "skip", href: "#main", onclick: (event) => {
        event.preventDefault();
        main.focus();
    } }, t("shell.skip")),
    h("div", { class: "shell" }, side, h("div", {}, topBar(), main)));
}

function sideBar() {
    const places = [
        ...(session.isOfPlatform() ? [["", t("shell.platform")]] : []),
        ...session.myTenants().map(({ id, name }) => [id, name]),
    ];
    const chooser = h("select", {
        id: "place", onchange: async (event) => {
            const next = event.target.value;
            event.target.value = tenant ?? "";
            await go(next === "" ? "/platform/dashboard" : `/tenants/${next}/dashboard`);
        },
    }, places.map(([id, name]) => h("option", { value: id, selected: id === (tenant ?? "") }, name)),
    !places.some(([id]) => id === (tenant ?? "")) && h("option", { value: tenant ?? "", selected: true }, t("shell.account")));
    return h("nav", { class: "side", id: "side", "aria-label": t("shell.navigation") },
        h("a", { class: "brand", href: href("/") }, h("img", { src: "/console/icon.svg", alt: "" }), "Eclusa"),
        places.length > 0 && h("div", { class: "field" }, h("label", { htmlFor: "place" }, t("shell.place")), chooser),
        menu(tenant).map(([group, items]) => h("div", {}, group && h("h2", {}, t(group)), h("ul", {},
            items.map(([path, name]) => h("li", {}, h("a", { href: href(path) }, name)))))));
}

function topBar() {
    const connection = h("span", { class: "connection", role: "status" }, h("span", {}));
    events.onState((state) => {
        connection.className = `connection ${state}`;
        connection.title = t(`live.${state}`);
        connection.firstChild.textContent = t(`live.${state}`);
    });
    return h("header", { class: "top" },
        h("button", {
            type: "button", class: "quiet menu-button", "aria-controls": "side", "aria-expanded": "false",
            "aria-label": t("shell.navigation"), onclick: openSide,
        }, icon("menu")),
        h("span", { class: "grow" }), connection, themeButton(),
        h("a", {
            class: "button quiet", href: href("/account/profile"), "aria-label": `${t("account.profile.menu")}: ${session.me().name}`,
        }, icon("person"),
            h("span", { class: "wide" }, session.me().name)),
        h("button", {
            type: "button", class: "quiet", onclick: (event) => doing(event.currentTarget, async () => {
                await remove("/sessions/current");
                history.replaceState(null, "", href("/"));
                await leave();
            }),
        }, t("shell.signOut")));
}

function themeButton() {
    const isDark = () => (document.documentElement.dataset.theme
        ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const button = h("button", {
        type: "button", class: "quiet", onclick: () => {
            const next = isDark() ? "light" : "dark";
            document.documentElement.dataset.theme = next;
            store("eclusa.theme", next);
            paint();
            repaint();
        },
    });
    const paint = () => {
        fill(button, icon(isDark() ? "sun" : "moon"));
        button.setAttribute("aria-label", t(isDark() ? "shell.light" : "shell.dark"));
    };
    paint();
    return button;
}

function openSide() {
    side.classList.add("shown");
    document.querySelector(".menu-button").setAttribute("aria-expanded", "true");
    side.before(h("button", {
        class: "veil", type: "button", "aria-label": t("common.close"), onclick: closeSide,
    }));
    side.querySelector("a, select").focus();
}

function closeSide() {
    if (!side?.classList.contains("shown")) return;
    side.classList.remove("shown");
    document.querySelector(".veil")?.remove();
    const button = document.querySelector(".menu-button");
    button.setAttribute("aria-expanded", "false");
}

document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && side?.classList.contains("shown")) {
        closeSide();
        document.querySelector(".menu-button").focus();
    }
});

function markPlace(path) {
    for (const link of side.querySelectorAll("li a")) {
        const target = link.getAttribute("href").slice("/console".length);
        const isHere = path === target || path.startsWith(`${target}/`);
        if (isHere) {
            link.setAttribute("aria-current", "page");
            link.scrollIntoView({ block: "nearest" });
        } else link.removeAttribute("aria-current");
    }
}

begin().catch((error) => {
    console.error(error);
    root.removeAttribute("aria-busy");
    fill(root, h("div", { class: "entrance" }, h("main", { class: "entrance-card" }, h("h1", {}, "Eclusa"),
        h("p", {}, "The console could not start. / O console não pôde iniciar."),
        h("p", { class: "hint" }, error.message),
        h("button", { type: "button", onclick: () => location.reload() }, "Reload"))));
});
