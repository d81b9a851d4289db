// Addresses below /console/: which page shows, going there, and not losing what was typed.

const root = "/console";
const routes = [];
let show = null;
let isDirty = () => false;
let askToLeave = async () => true;
let shown = "";

/// `pattern`: `/tenants/:tenant/keys/:id`; `page(parameters)` answers the page.
export function route(pattern, page) {
    const names = [...pattern.matchAll(/:(\w+)/g)].map((match) => match[1]);
    const expression = new RegExp(`^${pattern.replace(/:\w+/g, "([^/]+)")}/?$`);
    routes.push({ expression, names, page });
}

export function find(path) {
    for (const { expression, names, page } of routes) {
        const match = path.match(expression);
        if (match) {
            const values = match.slice(1).map(decodeURIComponent);
            return { page, parameters: Object.fromEntries(names.map((name, index) => [name, values[index]])) };
        }
    }
    return null;
}

export const here = () => location.pathname.slice(root.length) || "/";
export const href = (path) => root + path;

/// What was typed and not saved; asked before it is left.
export function guard(dirty) { isDirty = dirty; }
export const hasTyped = () => isDirty();

export async function go(path, { replace = false, force = false } = {}) {
    if (!force && isDirty() && !await askToLeave()) return;
    isDirty = () => false;
    history[replace ? "replaceState" : "pushState"](null, "", href(path));
    await refresh();
}

export function refresh() {
    shown = location.pathname;
    return show(here());
}

/// Begins to show pages. `showing(path)` does it; `leaving()` asks whether typed text may go.
export function start(showing, leaving) {
    show = showing;
    askToLeave = leaving;
    window.addEventListener("popstate", async () => {
        if (location.pathname === shown) return;
        if (isDirty() && !await askToLeave()) {
            history.pushState(null, "", shown);
            return;
        }
        isDirty = () => false;
        await refresh();
    });
    window.addEventListener("beforeunload", (event) => { if (isDirty()) event.preventDefault(); });
    document.addEventListener("click", (event) => {
        const link = event.target.closest?.("a[href]");
        if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey
            || link.target || link.hasAttribute("download") || !link.getAttribute("href").startsWith(`${root}/`)) return;
        event.preventDefault();
        go(link.getAttribute("href").slice(root.length));
    });
    return refresh();
}
