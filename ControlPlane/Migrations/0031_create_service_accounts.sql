-- Machines that use the admin API, and the tokens they do it with, of which only a hash is kept.
create table service_accounts (
    tenant_id    uuid         not null,
    id           uuid         not null,
    name         text         not null,
    description  text         not null,
    status       text         not null,
    created_at   timestamptz  not null,
    updated_at   timestamptz  not null,

    constraint service_accounts_pkey           primary key (tenant_id, id),
    constraint service_account_is_of_a_tenant  foreign key (tenant_id) references tenants (id),
    constraint service_account_name_fits       check (octet_length(name) between 1 and 200),
    constraint service_account_note_fits       check (octet_length(description) <= 500),
    constraint service_account_status_is_known check (status in ('active', 'disabled'))
);

create unique index service_account_name_is_unique on service_accounts (tenant_id, lower(name));

create table management_tokens (
    tenant_id           uuid         not null,
    id                  uuid         not null,
    service_account_id  uuid         not null,
    name                text         not null,
    public_id           text         not null,
    secret_hash         bytea        not null,
    expires_at          timestamptz,
    revoked_at          timestamptz,
    last_used_at        timestamptz,
    created_by          uuid,
    created_at          timestamptz  not null,

    constraint management_tokens_pkey          primary key (tenant_id, id),
    constraint token_is_of_a_service_account   foreign key (tenant_id, service_account_id)
                                               references service_accounts (tenant_id, id) on delete cascade,
    constraint token_name_fits                 check (octet_length(name) between 1 and 200),
    constraint token_public_id_is_base62       check (public_id ~ '^[0-9A-Za-z]{16}$'),
    constraint token_secret_is_hashed          check (octet_length(secret_hash) = 32)
);

create unique index token_public_id_is_unique on management_tokens (public_id);
create index tokens_by_service_account on management_tokens (tenant_id, service_account_id, id desc);

select isolate_by_tenant('service_accounts');
select isolate_by_tenant('management_tokens');
grant select, insert, update, delete on service_accounts, management_tokens to eclusa_app;
grant select on service_accounts to eclusa_reports;
grant select (tenant_id, id, service_account_id, public_id) on management_tokens to eclusa_reports;
