-- An upstream account. Of a tenant, or (in the platform's own tenant) shared by all.
create table providers (
    tenant_id          uuid         not null,
    id                 uuid         not null,
    name               text         not null,
    kind               text         not null,
    base_url           text         not null,
    option_names       text[]       not null default '{}',    -- what its kind asks for besides
    option_values      text[]       not null default '{}',
    header_names       text[]       not null,      -- extra request headers in order; never credentials
    header_values      text[]       not null,
    connect_ms         integer      not null,
    first_byte_ms      integer      not null,
    between_chunks_ms  integer      not null,
    total_ms           integer      not null,
    proxy              text,                       -- http://host:port; null: calls go straight to it
    enabled            boolean      not null,
    created_at         timestamptz  not null,
    updated_at         timestamptz  not null,

    constraint providers_pkey                  primary key (tenant_id, id),
    constraint provider_belongs_to_a_tenant    foreign key (tenant_id) references tenants (id),
    constraint provider_name_is_unique         unique (tenant_id, name),
    constraint provider_name_is_a_slug         check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    constraint provider_kind_fits              check (octet_length(kind) between 1 and 63),
    constraint provider_base_url_fits          check (octet_length(base_url) between 1 and 512),
    constraint provider_proxy_fits             check (octet_length(proxy) between 1 and 300),
    constraint provider_headers_are_pairs      check (cardinality(header_names) = cardinality(header_values)),
    constraint provider_options_are_pairs      check (cardinality(option_names) = cardinality(option_values)
                                                      and cardinality(option_names) <= 16),
    constraint provider_headers_are_few        check (cardinality(header_names) <= 20),
    constraint provider_timeouts_are_positive  check (least(connect_ms, first_byte_ms,
                                                            between_chunks_ms, total_ms) > 0)
);

-- Credentials apart from what is read all the time; several of one provider share its calls by weight.
-- Sealed twice: for the control plane under its owner's data key, and as it goes into snapshots under a fleet
-- key. The second is kept because sealing never gives the same bytes again, and equal content must give
-- equal shards.
create table provider_credentials (
    tenant_id     uuid         not null,
    provider_id   uuid         not null,
    id            uuid         not null,
    name          text         not null default '',
    sealed        bytea        not null,
    fleet_key_id  uuid,
    fleet_sealed  bytea,
    hint          text         not null,           -- the last characters, so that people can tell two apart
    weight        integer      not null default 100,
    enabled       boolean      not null default true,
    created_at    timestamptz  not null,
    updated_at    timestamptz  not null,

    constraint provider_credentials_pkey       primary key (tenant_id, provider_id, id),
    constraint credential_is_of_a_provider     foreign key (tenant_id, provider_id)
                                               references providers (tenant_id, id) on delete cascade,
    constraint credential_name_fits            check (octet_length(name) <= 200),
    constraint credential_is_sealed            check (octet_length(sealed) between 1 and 16384),
    constraint credential_fleet_seal_is_whole  check ((fleet_key_id is null) = (fleet_sealed is null)),
    constraint credential_fleet_seal_fits      check (octet_length(fleet_sealed) between 1 and 16384),
    constraint credential_hint_is_short        check (octet_length(hint) <= 16),
    constraint credential_weight_is_positive   check (weight between 1 and 1000)
);

-- What the last test of a provider found; apart from the provider, since nodes need not know.
create table provider_tests (
    tenant_id    uuid         not null,
    provider_id  uuid         not null,
    tested_at    timestamptz  not null,
    outcome      text         not null,
    status       integer,                          -- HTTP, when there was an answer
    latency_ms   integer      not null,
    models       integer,                          -- how many it listed
    problem      text         not null,            -- empty: none

    constraint provider_tests_pkey             primary key (tenant_id, provider_id),
    constraint test_is_of_a_provider           foreign key (tenant_id, provider_id)
                                               references providers (tenant_id, id) on delete cascade,
    constraint test_texts_fit                  check (octet_length(outcome) between 1 and 63
                                                      and octet_length(problem) <= 1000)
);
