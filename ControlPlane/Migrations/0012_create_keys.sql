-- An application's credential. The secret is known to its owner alone: here is its SHA-256. The routes it
-- may call are no foreign keys: deleting the last of them must leave a key that may call nothing, not one
-- that may call all.
create table keys (
    tenant_id     uuid         not null,
    id            uuid         not null,
    workspace_id  uuid         not null,
    name          text         not null,
    public_id     text         not null,
    secret_hash   bytea        not null,
    endpoints     bigint       not null,           -- bit set; all 32 bits: every endpoint, later ones too
    routes        uuid[]       not null,           -- empty: every route
    not_before    timestamptz,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    created_by    uuid,
    created_at    timestamptz  not null,
    updated_at    timestamptz  not null,

    constraint keys_pkey                       primary key (tenant_id, id),
    constraint key_belongs_to_a_workspace      foreign key (tenant_id, workspace_id)
                                               references workspaces (tenant_id, id),
    constraint key_name_fits                   check (octet_length(name) between 1 and 200),
    constraint key_public_id_is_base62         check (public_id ~ '^[0-9A-Za-z]{16}$'),
    constraint key_secret_is_hashed            check (octet_length(secret_hash) = 32),
    constraint key_endpoints_are_32_bits       check (endpoints between 0 and 4294967295),
    constraint key_routes_are_few              check (cardinality(routes) <= 100),
    constraint key_lifetime_is_not_empty       check (expires_at > not_before)
);

-- Global, because the public id is all a node has to find the key by.
create unique index key_public_id_is_unique on keys (public_id);
create index keys_by_workspace on keys (tenant_id, workspace_id, id desc);

-- What was revoked lately goes into every snapshot's kill list.
create index keys_by_revocation on keys (revoked_at) where revoked_at is not null;

-- When a key was last used, apart from the key: usage must not make its snapshot shard dirty or bloat its
-- row.
create table key_uses (
    tenant_id     uuid         not null,
    key_id        uuid         not null,
    last_used_at  timestamptz  not null,

    constraint key_uses_pkey                   primary key (tenant_id, key_id)
) with (fillfactor = 70);
