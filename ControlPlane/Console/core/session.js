// Who is signed in, what they may do, and what things are called.

import { all, get } from "./api.js";

let profile = null;
let builtInRoles = {};
let tenants = [];
let configuration = { gateway_url: null, charts: false, dashboards: false };

export const me = () => profile.user;
export const myTenants = () => tenants;
export const settings = () => configuration;
export const isSignedIn = () => profile !== null;

/// Reads the profile, the roles and the tenants of whoever is signed in.
export async function load() {
    const [mine, roles, list, told] = await Promise.all([
        get("/me"), get("/roles"), all("/tenants"),
        fetch("/console/configuration.json").then((answer) => answer.json()),
    ]);
    profile = mine;
    tenants = list;
    configuration = told;
    builtInRoles = Object.fromEntries(roles.data.map((role) => [role.name, new Set(role.permissions)]));
    lookups.clear();
}

export async function reloadTenants() { tenants = await all("/tenants"); }

export function forget() {
    profile = null;
    tenants = [];
    lookups.clear();
}

export const roleNames = () => Object.keys(builtInRoles);
/// What a role of a tenant may hold: what its owner has.
export const tenantPermissions = () => [...builtInRoles["tenant-owner"] ?? []];
/// Whether a role can only be given for the platform: it holds what no owner of a tenant has.
export const isPlatformRole = (name) => [...builtInRoles[name] ?? []].some((permission) => !builtInRoles["tenant-owner"].has(permission));

/// What pages offer. The API decides; this only keeps away what would be refused. Roles made by a tenant are not
/// known here: whoever has one is offered everything in that tenant.
export function may(permission, tenant = null) {
    return profile.bindings.some((binding) => {
        if (binding.tenant !== null && binding.tenant !== tenant) return false;
        const role = builtInRoles[binding.role];
        return role ? role.has(permission) : binding.tenant !== null;
    });
}

export const isOfPlatform = () => profile.bindings.some((binding) => binding.tenant === null);

// MARK: Names of things

const lookups = new Map();

/// The things of a list, kept until something is written: `Map` from ID to thing. Empty when it may not be read.
export function lookup(path, query = {}) {
    const key = path + JSON.stringify(query);
    if (!lookups.has(key)) {
        const reading = all(path, query).then(
            (items) => new Map(items.map((item) => [item.id ?? item.user?.id, item])),
            () => new Map());
        lookups.set(key, reading);
    }
    return lookups.get(key);
}

/// Something changed: names are read again when they are next needed.
export function forgetNames() { lookups.clear(); }
