// Elements from code. Texts are always texts: nothing here or elsewhere parses HTML.

const properties = new Set([
    "checked", "value", "disabled", "hidden", "selected", "required", "multiple", "readOnly", "htmlFor", "noValidate",
    "indeterminate", "tabIndex", "open",
]);

/// Makes an element. `attributes`: properties, attributes, `on…` listeners; null and false leave one out.
/// `children`: elements, texts, lists of them; null and false are left out.
export function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (value === undefined || value === null || value === false) continue;
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else if (name === "class") element.className = value;
        else if (properties.has(name)) element[name] = value;
        else element.setAttribute(name, value === true ? "" : value);
    }
    append(element, children);
    return element;
}

export function append(element, children) {
    for (const child of [children].flat(Infinity)) {
        if (child === undefined || child === null || child === false) continue;
        element.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return element;
}

/// Puts `children` in place of what an element has.
export function fill(element, ...children) {
    element.replaceChildren();
    return append(element, children);
}

let lastID = 0;

/// An ID no other element has.
export const newID = (prefix) => `${prefix}-${++lastID}`;

const shapes = {
    plus: "M12 5v14M5 12h14",
    close: "M6 6l12 12M18 6L6 18",
    menu: "M4 7h16M4 12h16M4 17h16",
    up: "M6 15l6-6 6 6",
    down: "M6 9l6 6 6-6",
    copy: "M9 9h10v11H9zM5 15V4h10",
    check: "M5 12l5 5 9-10",
    warning: "M12 4l9 16H3zM12 10v4M12 17v.5",
    sun: "M12 8a4 4 0 100 8 4 4 0 000-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5L19 19M19 5l-1.5 1.5M6.5 17.5L5 19",
    moon: "M20 14a8 8 0 01-10-10 8 8 0 1010 10",
    person: "M12 4a4 4 0 100 8 4 4 0 000-8M4 20c1-4 4-6 8-6s7 2 8 6",
    external: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
    refresh: "M20 11a8 8 0 10-2 6M20 5v6h-6",
    next: "M9 6l6 6-6 6",
};

/// A small drawing beside a text; screen readers skip it.
export function icon(name) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("icon");
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", shapes[name]);
    svg.append(path);
    return svg;
}
