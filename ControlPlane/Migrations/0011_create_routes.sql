-- The model name applications ask for.
create table routes (
    tenant_id   uuid         not null,
    id          uuid         not null,
    name        text         not null,
    enabled     boolean      not null,
    created_at  timestamptz  not null,
    updated_at  timestamptz  not null,

    constraint routes_pkey                     primary key (tenant_id, id),
    constraint route_belongs_to_a_tenant       foreign key (tenant_id) references tenants (id),
    constraint route_name_is_unique            unique (tenant_id, name),
    constraint route_name_fits                 check (octet_length(name) between 1 and 128)
);

-- Its targets in order. A model is the tenant's own or the platform's, never another tenant's.
create table route_targets (
    tenant_id        uuid      not null,
    route_id         uuid      not null,
    position         smallint  not null,
    model_tenant_id  uuid      not null,
    model_id         uuid      not null,
    weight           integer   not null,
    priority         integer   not null,

    constraint route_targets_pkey              primary key (tenant_id, route_id, position),
    constraint target_is_of_a_route            foreign key (tenant_id, route_id)
                                               references routes (tenant_id, id) on delete cascade,
    constraint target_model_exists             foreign key (model_tenant_id, model_id)
                                               references models (tenant_id, id),
    constraint target_model_is_own_or_shared   check (model_tenant_id in
                                                      (tenant_id, '00000000-0000-0000-0000-000000000000')),
    constraint target_position_is_in_range     check (position between 0 and 31),
    constraint target_weight_is_in_range       check (weight between 1 and 1000),
    constraint target_priority_is_in_range     check (priority between 0 and 100)
);

create index route_targets_by_model on route_targets (model_tenant_id, model_id);
