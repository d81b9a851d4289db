-- An application's credential. The secret is known to its owner alone: here is its SHA-256, and that of the
-- secret before the last rotation. The routes and models it may call are no foreign keys: deleting the last of
-- them must leave a key that may call nothing, not one that may call all.
create table keys (
    tenant_id        uuid         not null,
    id               uuid         not null,
    workspace_id     uuid         not null,
    name             text         not null,
    folded_name      text collate "C" generated always as (lower(name)) stored,   -- to find by its beginning
    kind             text         not null default 'application',
    owner_id         uuid,                            -- a member
    public_id        text         not null,
    secret_hash      bytea        not null,
    previous_hash    bytea,
    previous_until   timestamptz,
    endpoints        bigint       not null,           -- bit set; all 32 bits: every endpoint, later ones too
    routes           uuid[]       not null,           -- empty: every route
    models           uuid[]       not null default '{}',    -- empty: every model
    ip_ranges        text[]       not null default '{}',    -- empty: every address
    not_before       timestamptz,
    expires_at       timestamptz,
    revoked_at       timestamptz,
    strict           boolean      not null default false,
    tags             text[]       not null default '{}',
    metadata_names   text[]       not null default '{}',
    metadata_values  text[]       not null default '{}',
    created_by       uuid,
    created_at       timestamptz  not null,
    updated_at       timestamptz  not null,

    constraint keys_pkey                       primary key (tenant_id, id),
    constraint key_belongs_to_a_workspace      foreign key (tenant_id, workspace_id)
                                               references workspaces (tenant_id, id),
    constraint key_owner_is_a_member           foreign key (tenant_id, owner_id)
                                               references members (tenant_id, user_id)
                                               on delete set null (owner_id),
    constraint key_name_fits                   check (octet_length(name) between 1 and 200),
    constraint key_kind_fits                   check (octet_length(kind) between 1 and 63),
    constraint key_public_id_is_base62         check (public_id ~ '^[0-9A-Za-z]{16}$'),
    constraint key_secret_is_hashed            check (octet_length(secret_hash) = 32),
    constraint key_previous_secret_is_whole    check ((previous_hash is null) = (previous_until is null)
                                                      and octet_length(previous_hash) = 32),
    constraint key_endpoints_are_32_bits       check (endpoints between 0 and 4294967295),
    constraint key_lists_are_short             check (cardinality(routes) <= 100
                                                      and cardinality(models) <= 100
                                                      and cardinality(ip_ranges) <= 32
                                                      and cardinality(tags) <= 16),
    constraint key_metadata_are_pairs          check (cardinality(metadata_names)
                                                      = cardinality(metadata_values)
                                                      and cardinality(metadata_names) <= 16),
    constraint key_lifetime_is_not_empty       check (expires_at > not_before)
);

-- Global, because the public id is all a node has to find the key by.
create unique index key_public_id_is_unique on keys (public_id);
create index keys_by_workspace on keys (tenant_id, workspace_id, id desc);
create index keys_by_owner on keys (tenant_id, owner_id, id desc) where owner_id is not null;
create index keys_by_tag on keys using gin (tags) where tags <> '{}';
create index keys_by_name on keys (tenant_id, folded_name);
-- For lists of those that work, and of those that do not for one reason or another.
create index keys_standing on keys (tenant_id, id desc) where revoked_at is null;
create index keys_revoked on keys (tenant_id, id desc) where revoked_at is not null;
create index keys_by_expiry on keys (tenant_id, expires_at)
    where revoked_at is null and expires_at is not null;
create index keys_by_beginning on keys (tenant_id, not_before)
    where revoked_at is null and not_before is not null;

-- A member who leaves takes along what was theirs alone.
create function revoke_without_its_owner() returns trigger language plpgsql as $$
begin
    new.revoked_at := coalesce(new.revoked_at, clock_timestamp());
    return new;
end
$$;

create trigger personal_key_needs_its_owner before update on keys
    for each row when (new.kind = 'personal' and new.owner_id is null)
    execute function revoke_without_its_owner();

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
