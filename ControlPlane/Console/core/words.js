// Words, numbers, times and money in the reader's language.

export const languages = { en: "English", "pt-BR": "Português (Brasil)" };

let words = {};
let language = "en";
const chosenKey = "eclusa.language";

export const currentLanguage = () => language;

/// The language this browser asks for, or the one chosen here before.
export function preferredLanguage() {
    const chosen = stored(chosenKey);
    if (chosen in languages) return chosen;
    return navigator.languages.some((name) => name.toLowerCase().startsWith("pt")) ? "pt-BR" : "en";
}

export function stored(key) {
    try { return localStorage.getItem(key); } catch { return null; }
}

export function store(key, value) {
    try { localStorage.setItem(key, value); } catch { /* Storage may be closed: then it is forgotten. */ }
}

/// Loads a language's words.
export async function speak(name, { remember = false } = {}) {
    const answer = await fetch(`/console/locales/${name}.json`);
    if (!answer.ok) throw new Error(`the words of ${name} are not there`);
    words = await answer.json();
    language = name;
    if (remember) store(chosenKey, name);
    document.documentElement.lang = name;
}

export const hasWord = (key) => key in words;

/// The text of a key; `{name}` becomes `values.name`.
export function t(key, values = {}) {
    const text = words[key];
    if (text === undefined) {
        console.error(`no word for ${key} in ${language}`);
        return key;
    }
    return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/// The label of a name the API gives to a field, a status or a kind. Names without a word are shown as they are.
export function label(group, name) {
    const key = `${group}.${name}`;
    return hasWord(key) ? t(key) : String(name).replaceAll("_", " ");
}

/// What an action of the audit log was, `noun.verb` in words; one that was refused did not happen.
export function actionName(action, isRefused = false) {
    if (!isRefused && hasWord(`auditAction.${action}`)) return t(`auditAction.${action}`);
    const [noun, verb] = action.split(".");
    return `${label("nounName", noun)}: ${label("verb", verb)}`;
}

/// What something in the audit log is. Refused requests say the plural.
export const kindName = (kind) => (hasWord(`kind.${kind}`) ? t(`kind.${kind}`) : label("nounName", kind));

/// The form of a count: `key.one` or `key.other`.
export function count(key, number) {
    const form = new Intl.PluralRules(language).select(number) === "one" ? "one" : "other";
    return t(`${key}.${form}`, { count: whole(number) });
}

export const whole = (number) => new Intl.NumberFormat(language, { maximumFractionDigits: 0 }).format(number);

export const compact = (number) =>
    new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 }).format(number);

export const percent = (share) =>
    new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(share);

/// An amount of the API's decimal text. Small amounts keep the digits that make them more than nothing.
export function money(text, currency = "USD") {
    const amount = Number(text ?? 0);
    const digits = amount !== 0 && Math.abs(amount) < 1 ? { maximumSignificantDigits: 3, minimumFractionDigits: 2 } : {};
    return new Intl.NumberFormat(language, { style: "currency", currency, ...digits }).format(amount);
}

export function time(text) {
    return text ? new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" })
        .format(new Date(text)) : t("common.never");
}

export const day = (text) => new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(text));

/// A browser by what it says of itself; others as they do.
export function browserName(agent) {
    const first = (names) => names.map(([name, pattern]) => [name, agent?.match(pattern)]).find(([, found]) => found);
    const browser = first([["Edge", /Edg\/(\d+)/], ["Opera", /OPR\/(\d+)/], ["Firefox", /Firefox\/(\d+)/], ["Chrome", /Chrome\/(\d+)/],
        ["Safari", /Version\/(\d+).*Safari/]]);
    const system = first([["Android", /Android/], ["iOS", /iPhone|iPad/], ["Windows", /Windows/], ["macOS", /Mac OS X/], ["Linux", /Linux/]]);
    if (!browser || !system) return agent || "—";
    return `${browser[0]} ${browser[1][1]}, ${system[0]}`;
}

const units = [["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3600], ["minute", 60]];

/// How long ago or until; exact times stand beside it as a title.
export function ago(text) {
    if (!text) return t("common.never");
    const seconds = (new Date(text) - Date.now()) / 1000;
    const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
    for (const [unit, length] of units) {
        if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit);
    }
    return format.format(Math.trunc(seconds), "second");
}

export function bytes(number) {
    const steps = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
    let index = 0;
    for (; number >= 1000 && index < steps.length - 1; index += 1) number /= 1000;
    return new Intl.NumberFormat(language, { style: "unit", unit: steps[index], maximumFractionDigits: 1 })
        .format(number);
}
