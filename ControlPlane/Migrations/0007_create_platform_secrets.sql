-- Key material of the platform (token signing, certificate authority, snapshot signing, fleet keys), sealed
-- under the master key, which is never in the database. Several of one purpose overlap while they rotate.
create table platform_secrets (
    purpose     text         not null,
    key_id      text         not null,
    sealed      bytea        not null,
    sealed_by   text         not null default '',  -- which master key, by its fingerprint; empty: not known
    public      bytea,                      -- the public half, if the purpose has one
    created_at  timestamptz  not null,
    expires_at  timestamptz,
    retired_at  timestamptz,

    constraint platform_secrets_pkey           primary key (purpose, key_id),
    constraint platform_secret_names_fit       check (octet_length(purpose) between 1 and 63
                                                      and octet_length(key_id) between 1 and 128),
    constraint platform_secret_is_sealed       check (octet_length(sealed) between 1 and 65536)
);
