// Charts, each with its numbers as a table for whoever cannot see it. The library is loaded when it is first needed.

import { h } from "./dom.js";
import { settings } from "./session.js";
import { t } from "./words.js";

let library = null;

function load() {
    library ??= import("/console/libraries/chart.js").then(() => {
        const { Chart } = globalThis;
        Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
        Chart.defaults.animation = false;
        return Chart;
    });
    return library;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/// What is drawn, and from what.
const drawn = new Map();

/// A chart. `series`: `[{name, values, kind, axis, tone}]`; `labels`: one for each value. `format(value)` of the first
/// axis, `secondFormat` of the second. Without the library the table is all there is.
export function chart({ title, labels, series, format = String, secondFormat = null, stacked = false, kind = "bar" }) {
    const data = h("details", { class: "numbers", open: !settings().charts }, h("summary", {}, t("chart.numbers")),
        h("div", { class: "table", tabIndex: 0, role: "region", "aria-label": title }, h("table", {},
            h("caption", { class: "unseen" }, title),
            h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("chart.when")),
                series.map((one) => h("th", { scope: "col", class: "number" }, one.name)))),
            h("tbody", {}, labels.map((name, index) => h("tr", {}, h("th", { scope: "row" }, name),
                series.map((one) => h("td", { class: "number" },
                    (one.axis === "second" ? secondFormat : format)(one.values[index])))))))));
    const canvas = h("canvas", { role: "img", "aria-label": title });
    const element = h("div", { class: "chart" }, settings().charts && h("div", { class: "plot" }, canvas), data);
    if (!settings().charts) return element;

    Promise.all([load(), shown(element)]).then(([Chart]) => {
        const draw = () => new Chart(canvas, configuration({ labels, series, format, secondFormat, stacked, kind }));
        forgetGone();
        drawn.set(draw(), draw);
    }).catch((error) => {
        console.error(error);
        data.open = true;
    });
    return element;
}

/// Waits until an element is on the page, which it is once the page is whole.
function shown(element) {
    return new Promise((resolve, reject) => {
        const end = Date.now() + 30_000;
        const look = () => {
            if (element.isConnected) resolve();
            else if (Date.now() > end) reject(new Error("the chart was never shown"));
            else setTimeout(look, 16);
        };
        look();
    });
}

/// Draws everything again, in the colours of now.
export function repaint() {
    forgetGone();
    for (const [instance, draw] of [...drawn]) {
        instance.destroy();
        drawn.delete(instance);
        drawn.set(draw(), draw);
    }
}

function forgetGone() {
    for (const instance of [...drawn.keys()]) {
        if (instance.canvas?.isConnected) continue;
        instance.destroy();
        drawn.delete(instance);
    }
}

function configuration({ labels, series, format, secondFormat, stacked, kind }) {
    const ink = colour("--ink-soft");
    const line = colour("--line");
    const scale = (write, position, hasGrid) => ({
        position, beginAtZero: true, stacked, border: { display: false },
        // The library measures the labels before it knows the last ones.
        afterFit: (axis) => { axis.width += 16; },
        ticks: { color: ink, maxTicksLimit: 6, callback: (value) => write(value) },
        grid: { color: hasGrid ? line : "transparent", drawBorder: false },
    });
    return {
        type: kind,
        data: {
            labels,
            datasets: series.map((one, index) => {
                const tone = colour(one.tone ?? `--series-${(index % 6) + 1}`);
                return {
                    label: one.name, data: one.values, type: one.kind ?? kind, yAxisID: one.axis ?? "first",
                    backgroundColor: one.kind === "line" ? "transparent" : tone, borderColor: tone,
                    borderWidth: one.kind === "line" || kind === "line" ? 2 : 0, borderRadius: 3, pointRadius: 0,
                    pointHitRadius: 12, tension: 0.25, order: one.kind === "line" ? 0 : 1, maxBarThickness: 36,
                };
            }),
        },
        options: {
            responsive: true, maintainAspectRatio: false, interaction: { mode: "index", intersect: false },
            plugins: {
                legend: { display: series.length > 1, position: "bottom", labels: { color: ink, boxWidth: 12 } },
                tooltip: {
                    callbacks: {
                        label: (point) => {
                            const write = point.dataset.yAxisID === "second" ? secondFormat : format;
                            return `${point.dataset.label}: ${write(point.raw)}`;
                        },
                    },
                },
            },
            scales: {
                x: { stacked, ticks: { color: ink, maxRotation: 0, autoSkipPadding: 16 }, grid: { display: false } },
                first: scale(format, "left", true),
                ...(secondFormat ? { second: scale(secondFormat, "right", false) } : {}),
            },
        },
    };
}
