// Grafana's dashboards inside the console: whoever may see the nodes is signed in there as a viewer.

import { get } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { failure, loading, pageHead } from "../core/parts.js";
import { t } from "../core/words.js";

/// The dashboards that come with a release, by their name in the menu.
const boards = { gateway: "eclusa-gateway", control: "eclusa-control" };

const theme = () => document.documentElement.dataset.theme
    ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

export async function dashboardsPage() {
    let chosen = "gateway";
    const place = h("div", {}, loading("30rem"));
    const show = async () => {
        try {
            const { url, token } = await get("/dashboards");
            const board = `${url}/d/${boards[chosen]}?theme=${theme()}`;
            fill(place, h("iframe", {
                class: "board", title: t(`dashboards.${chosen}`), referrerPolicy: "no-referrer",
                src: `${board}&kiosk&auth_token=${encodeURIComponent(token)}`,
            }), h("p", {}, h("a", { href: board, target: "_blank", rel: "noopener" }, t("dashboards.open"))));
        } catch (problem) {
            fill(place, failure(problem, show));
        }
    };
    const which = h("select", { id: "board", onchange: (event) => {
        chosen = event.target.value;
        show();
    } }, Object.keys(boards).map((name) => h("option", { value: name }, t(`dashboards.${name}`))));
    const page = h("div", {}, pageHead({ title: t("dashboards.title"), about: t("dashboards.about") }),
        h("div", { class: "field" }, h("label", { htmlFor: "board" }, t("dashboards.which")), which), place);
    const watcher = new MutationObserver(() => (page.isConnected ? show() : watcher.disconnect()));
    watcher.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    show();
    return page;
}
