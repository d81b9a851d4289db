// Runs before the first paint, so that a chosen theme does not flash the other one.
"use strict";
(() => {
    let choice = null;
    try { choice = localStorage.getItem("eclusa.theme"); } catch { /* Storage may be closed. */ }
    if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
})();
