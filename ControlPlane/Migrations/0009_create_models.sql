-- A priced thing a provider offers, under the provider's own name for it.
create table models (
    tenant_id       uuid         not null,
    id              uuid         not null,
    provider_id     uuid         not null,
    name            text         not null,
    display_name    text         not null,
    context_window  integer,
    maximum_output  integer,
    capabilities    text[]       not null default '{}',
    source          text         not null default '',    -- where these facts are from
    created_at      timestamptz  not null,
    updated_at      timestamptz  not null,

    constraint models_pkey                     primary key (tenant_id, id),
    constraint model_is_of_a_provider          foreign key (tenant_id, provider_id)
                                               references providers (tenant_id, id) on delete cascade,
    constraint model_name_is_unique            unique (tenant_id, provider_id, name),
    constraint model_names_fit                 check (octet_length(name) between 1 and 128
                                                      and octet_length(display_name) between 1 and 200),
    constraint model_facts_fit                 check (cardinality(capabilities) <= 32
                                                      and octet_length(source) <= 512),
    constraint model_sizes_are_positive        check (context_window > 0 and maximum_output > 0)
);
