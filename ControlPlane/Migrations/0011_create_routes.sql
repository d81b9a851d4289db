-- The model name applications ask for, and how its calls are treated.
create table routes (
    tenant_id            uuid         not null,
    id                   uuid         not null,
    name                 text         not null,
    enabled              boolean      not null,
    strategy             text         not null default 'weighted',
    affinity             text         not null default 'session',
    attempts             integer      not null default 3,
    attempts_per_target  integer      not null default 2,
    backoff_ms           integer      not null default 250,
    hedge_after_ms       integer      not null default 0,     -- 0: never
    connect_ms           integer,                             -- null: as the provider says
    first_byte_ms        integer,
    first_token_ms       integer,
    between_chunks_ms    integer,
    total_ms             integer,
    created_at           timestamptz  not null,
    updated_at           timestamptz  not null,

    constraint routes_pkey                     primary key (tenant_id, id),
    constraint route_belongs_to_a_tenant       foreign key (tenant_id) references tenants (id),
    constraint route_name_is_unique            unique (tenant_id, name),
    constraint route_name_fits                 check (octet_length(name) between 1 and 128),
    constraint route_words_fit                 check (octet_length(strategy) between 1 and 40
                                                      and octet_length(affinity) between 1 and 40),
    constraint route_attempts_are_in_range     check (attempts between 1 and 10
                                                      and attempts_per_target between 1 and 5),
    constraint route_waits_are_in_range        check (backoff_ms between 0 and 10000
                                                      and hedge_after_ms between 0 and 600000),
    constraint route_timeouts_are_positive     check (least(connect_ms, first_byte_ms, first_token_ms,
                                                            between_chunks_ms, total_ms) > 0)
);

-- Its targets in order: models or other routes. A model is the tenant's own or the platform's, never another
-- tenant's; that routes do not go in circles, whoever writes them sees to under a lock.
create table route_targets (
    tenant_id         uuid      not null,
    route_id          uuid      not null,
    position          smallint  not null,
    model_tenant_id   uuid,
    model_id          uuid,
    target_route_id   uuid,
    weight            integer   not null,
    priority          integer   not null,
    target_use        text      not null default 'traffic',
    tags              text[]    not null default '{}',      -- of the key: all of them
    minimum_input     bigint    not null default 0,
    maximum_input     bigint,
    needs             text[]    not null default '{}',      -- capabilities: all of them
    days              integer,                              -- one bit each, Monday's the lowest
    from_minute       integer,                              -- of the day, UTC
    until_minute      integer,
    parameter_names   text[]    not null default '{}',
    parameter_values  text[]    not null default '{}',      -- JSON

    constraint route_targets_pkey              primary key (tenant_id, route_id, position),
    constraint target_is_of_a_route            foreign key (tenant_id, route_id)
                                               references routes (tenant_id, id) on delete cascade,
    constraint target_model_exists             foreign key (model_tenant_id, model_id)
                                               references models (tenant_id, id),
    constraint target_route_exists             foreign key (tenant_id, target_route_id)
                                               references routes (tenant_id, id),
    constraint target_is_a_model_or_a_route    check ((model_id is null) <> (target_route_id is null)
                                                      and (model_id is null) = (model_tenant_id is null)),
    constraint target_model_is_own_or_shared   check (model_tenant_id in
                                                      (tenant_id, '00000000-0000-0000-0000-000000000000')),
    constraint target_position_is_in_range     check (position between 0 and 31),
    constraint target_weight_is_in_range       check (weight between 1 and 1000),
    constraint target_priority_is_in_range     check (priority between 0 and 100),
    constraint target_words_fit                check (octet_length(target_use) between 1 and 40
                                                      and cardinality(tags) <= 8
                                                      and cardinality(needs) <= 32),
    constraint target_hours_are_whole          check ((days is null) = (from_minute is null)
                                                      and (days is null) = (until_minute is null)),
    constraint target_parameters_are_pairs     check (cardinality(parameter_names)
                                                      = cardinality(parameter_values)
                                                      and cardinality(parameter_names) <= 16)
);

create index route_targets_by_model on route_targets (model_tenant_id, model_id);
create index route_targets_by_route on route_targets (tenant_id, target_route_id)
    where target_route_id is not null;
