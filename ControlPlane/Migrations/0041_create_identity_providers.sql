-- Where people may sign in instead of here (OpenID Connect); of a tenant, or (its own row) of the platform.
create table identity_providers (
    tenant_id        uuid         not null,
    id               uuid         not null,
    name             text         not null,
    issuer           text         not null,
    client_id        text         not null,
    client_secret    bytea,                   -- sealed; null: a public client
    scopes           text[]       not null,
    group_claim      text         not null,
    allowed_domains  text[]       not null,   -- of e-mail addresses; empty: every one
    creates_users    boolean      not null,
    is_enabled       boolean      not null,
    created_at       timestamptz  not null,
    updated_at       timestamptz  not null,

    constraint identity_providers_pkey            primary key (tenant_id, id),
    constraint identity_provider_is_of_a_tenant   foreign key (tenant_id) references tenants (id)
                                                  on delete cascade,
    constraint identity_provider_name_is_unique   unique (tenant_id, name),
    constraint identity_provider_texts_fit        check (octet_length(name) between 1 and 200
                                                         and octet_length(issuer) between 8 and 2048
                                                         and octet_length(client_id) between 1 and 500
                                                         and octet_length(group_claim) between 1 and 200)
);

-- Which group of a provider has which role here.
create table identity_provider_roles (
    tenant_id     uuid  not null,
    provider_id   uuid  not null,
    group_name    text  not null,             -- '*': everybody who comes by the provider
    role          text  not null,

    constraint identity_provider_roles_pkey       primary key (tenant_id, provider_id, group_name, role),
    constraint identity_provider_role_is_of_one   foreign key (tenant_id, provider_id)
                                                  references identity_providers (tenant_id, id)
                                                  on delete cascade,
    constraint identity_provider_role_fits        check (octet_length(group_name) between 1 and 255
                                                         and octet_length(role) between 1 and 63)
);

-- Who somebody at a provider is here.
create table user_identities (
    tenant_id     uuid         not null,
    provider_id   uuid         not null,
    subject       text         not null,
    user_id       uuid         not null,
    created_at    timestamptz  not null,
    last_used_at  timestamptz  not null,

    constraint user_identities_pkey               primary key (tenant_id, provider_id, subject),
    constraint user_identity_is_at_a_provider     foreign key (tenant_id, provider_id)
                                                  references identity_providers (tenant_id, id)
                                                  on delete cascade,
    constraint user_identity_is_of_a_user         foreign key (user_id) references users (id)
                                                  on delete cascade
);

create index user_identities_by_user on user_identities (user_id);

-- Browsers that are away at a provider. What they come back with must fit both hashes: of the state the
-- provider hands through, and of the token the browser kept. Found before it is known whose provider it is.
create table sign_in_flows (
    token_hash   bytea        not null,
    state_hash   bytea        not null,
    provider_id  uuid         not null,
    sealed       bytea        not null,       -- nonce and PKCE verifier
    expires_at   timestamptz  not null,

    constraint sign_in_flows_pkey                 primary key (token_hash),
    constraint sign_in_flow_is_hashed             check (octet_length(token_hash) = 32
                                                         and octet_length(state_hash) = 32)
);

create index sign_in_flows_by_expiry on sign_in_flows (expires_at);
-- Whose a provider is, before anybody has signed in.
create unique index identity_provider_id_is_unique on identity_providers (id);

select isolate_by_tenant('identity_providers');
select isolate_by_tenant('identity_provider_roles');
select isolate_by_tenant('user_identities');
grant select, insert, update, delete on identity_providers to eclusa_app;
grant select, insert, delete on identity_provider_roles, sign_in_flows to eclusa_app;
grant select, insert, update on user_identities to eclusa_app;
grant select (tenant_id, id) on identity_providers to eclusa_reports;
