-- Ceilings on what a tenant, a workspace or a key may use: rates refill, slots are held, budgets are spent in
-- calendar windows.
create table limits (
    tenant_id         uuid         not null,
    id                uuid         not null,
    name              text         not null,
    workspace_id      uuid,                           -- the subject; neither: the tenant
    key_id            uuid,
    routes            uuid[]       not null,          -- empty: every route
    models            uuid[]       not null,          -- empty: every model
    partition_by      text         not null,
    metric            text         not null,
    amount            bigint       not null,          -- nano-USD for cost, else a count
    period            text         not null,
    time_zone         text         not null,
    mode              text         not null,
    thresholds        bigint[]     not null,          -- per cent
    increase_amount   bigint,
    increase_expires  timestamptz,
    created_at        timestamptz  not null,
    updated_at        timestamptz  not null,

    constraint limits_pkey                     primary key (tenant_id, id),
    constraint limit_belongs_to_a_tenant       foreign key (tenant_id) references tenants (id),
    constraint limit_name_is_unique            unique (tenant_id, name),
    constraint limit_workspace_exists          foreign key (tenant_id, workspace_id)
                                               references workspaces (tenant_id, id) on delete cascade,
    constraint limit_key_exists                foreign key (tenant_id, key_id)
                                               references keys (tenant_id, id) on delete cascade,
    constraint limit_has_one_subject           check (num_nonnulls(workspace_id, key_id) <= 1),
    constraint limit_name_fits                 check (octet_length(name) between 1 and 200),
    constraint limit_amount_is_in_range        check (amount between 1 and 1000000000000000000),
    constraint limit_increase_is_whole         check ((increase_amount is null) = (increase_expires is null)
                                                      and increase_amount > 0)
);

select isolate_by_tenant('limits');

-- A window of a budget: midnight, Monday or the first, by the clocks of its own zone; a lifetime has no end.
create function limit_window(period text, zone text, moment timestamptz,
                             out starts timestamptz, out ends timestamptz) language sql stable as $$
    select case when period in ('day', 'week', 'month')
                then date_trunc(period, moment at time zone zone) at time zone zone
                else 'epoch' end,
           case when period in ('day', 'week', 'month')
                then (date_trunc(period, moment at time zone zone) + ('1 ' || period)::interval)
                     at time zone zone end
$$;

grant select, insert, update, delete on limits to eclusa_app;
grant select on limits to eclusa_publisher;
