-- Rules about what may go into calls and come out of them. They travel with their tenant.
create table guardrails (
    tenant_id           uuid         not null,
    id                  uuid         not null,
    name                text         not null,
    workspace_id        uuid,                         -- the subject; none: every call of the tenant
    route_id            uuid,
    key_id              uuid,
    kind                text         not null,
    action              text         not null,
    sides               text[]       not null,        -- input, output
    mode                text         not null,
    enabled             boolean      not null,
    texts               text[]       not null,        -- patterns or words
    personal_data       text[]       not null,
    maximum_messages    bigint,
    maximum_characters  bigint,
    maximum_tokens      bigint,
    webhook_url         text,
    webhook_timeout_ms  integer,
    webhook_on_failure  text,
    secret              bytea,                        -- signs what webhooks are asked: sealed like a provider's credential
    fleet_key_id        uuid,
    fleet_secret        bytea,
    secret_overlap_until timestamptz,                 -- until then the secret before signs too; it lies beside the other
    created_at          timestamptz  not null,
    updated_at          timestamptz  not null,

    constraint guardrails_pkey                 primary key (tenant_id, id),
    constraint guardrail_belongs_to_a_tenant   foreign key (tenant_id) references tenants (id),
    constraint guardrail_name_is_unique        unique (tenant_id, name),
    constraint guardrail_workspace_exists      foreign key (tenant_id, workspace_id)
                                               references workspaces (tenant_id, id) on delete cascade,
    constraint guardrail_route_exists          foreign key (tenant_id, route_id)
                                               references routes (tenant_id, id) on delete cascade,
    constraint guardrail_key_exists            foreign key (tenant_id, key_id)
                                               references keys (tenant_id, id) on delete cascade,
    constraint guardrail_has_one_subject       check (num_nonnulls(workspace_id, route_id, key_id) <= 1),
    constraint guardrail_name_fits             check (octet_length(name) between 1 and 200),
    constraint guardrail_words_fit             check (octet_length(kind) between 1 and 40
                                                      and octet_length(action) between 1 and 40
                                                      and octet_length(mode) between 1 and 40),
    constraint guardrail_lists_are_short       check (cardinality(sides) between 1 and 2
                                                      and cardinality(texts) <= 100
                                                      and cardinality(personal_data) <= 20),
    constraint guardrail_bounds_are_positive   check (least(maximum_messages, maximum_characters,
                                                            maximum_tokens) > 0),
    constraint guardrail_webhook_is_whole      check (num_nulls(webhook_url, webhook_timeout_ms,
                                                                webhook_on_failure, secret) in (0, 4)
                                                      and (kind = 'webhook') = (secret is not null)),
    constraint guardrail_webhook_fits          check (octet_length(webhook_url) between 1 and 512
                                                      and webhook_timeout_ms between 50 and 10000
                                                      and octet_length(webhook_on_failure) between 1 and 40
                                                      and octet_length(secret) between 1 and 16384),
    constraint guardrail_fleet_seal_is_whole   check ((fleet_key_id is null) = (fleet_secret is null)),
    constraint guardrail_fleet_seal_fits       check (octet_length(fleet_secret) between 1 and 16384)
);

create index guardrails_by_workspace on guardrails (tenant_id, workspace_id) where workspace_id is not null;
create index guardrails_by_route on guardrails (tenant_id, route_id) where route_id is not null;
create index guardrails_by_key on guardrails (tenant_id, key_id) where key_id is not null;

select isolate_by_tenant('guardrails');

create trigger stamp_change after insert or update or delete on guardrails
    for each row execute function stamp_row_of_tenant();

grant select, insert, update, delete on guardrails to eclusa_app;
grant select, update on guardrails to eclusa_publisher;
