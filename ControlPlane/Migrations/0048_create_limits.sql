-- Ceilings on what a tenant, a workspace, a group, a user or a key may use: rates refill, slots are held,
-- budgets are spent in calendar windows.
create table limits (
    tenant_id         uuid         not null,
    id                uuid         not null,
    name              text         not null,
    workspace_id      uuid,                           -- the subject; none: the tenant
    group_id          uuid,
    user_id           uuid,
    key_id            uuid,
    routes            uuid[]       not null,          -- empty: every route
    models            uuid[]       not null,          -- empty: every model
    tags              text[]       not null,          -- of keys; empty: whatever they have
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
    constraint limit_name_is_unique            unique nulls not distinct
                                               (tenant_id, name, workspace_id, group_id, user_id, key_id),
    constraint limit_workspace_exists          foreign key (tenant_id, workspace_id)
                                               references workspaces (tenant_id, id) on delete cascade,
    constraint limit_group_exists              foreign key (tenant_id, group_id)
                                               references groups (tenant_id, id) on delete cascade,
    constraint limit_user_is_a_member          foreign key (tenant_id, user_id)
                                               references members (tenant_id, user_id) on delete cascade,
    constraint limit_key_exists                foreign key (tenant_id, key_id)
                                               references keys (tenant_id, id) on delete cascade,
    constraint limit_has_one_subject           check (num_nonnulls(workspace_id, group_id, user_id,
                                                                  key_id) <= 1),
    constraint limit_name_fits                 check (octet_length(name) between 1 and 200),
    constraint limit_lists_are_short           check (cardinality(routes) <= 100
                                                      and cardinality(models) <= 100
                                                      and cardinality(tags) <= 100
                                                      and cardinality(thresholds) <= 10),
    constraint limit_amount_is_in_range        check (amount between 1 and 1000000000000000000),
    constraint limit_increase_is_whole         check ((increase_amount is null) = (increase_expires is null)
                                                      and increase_amount > 0)
);

-- Those of keys are by far the most; each list of the others is short.
create index limits_by_key on limits (tenant_id, key_id, id) where key_id is not null;
create index limits_of_tenant on limits (tenant_id, id desc) where key_id is null;
create index limits_by_workspace on limits (tenant_id, workspace_id) where workspace_id is not null;
create index limits_by_group on limits (tenant_id, group_id) where group_id is not null;
create index limits_by_user on limits (tenant_id, user_id) where user_id is not null;

select isolate_by_tenant('limits');

-- A key's limits travel with the key, the others with their tenant.
create function stamp_limit() returns trigger language plpgsql as $$
declare
    changed limits := coalesce(new, old);
begin
    if changed.key_id is null then
        perform stamp_change_of(changed.tenant_id);
        return null;
    end if;
    insert into snapshot_changes (tenant_id, part, changed_by)
    select tenant_id, public_id, pg_current_xact_id()
      from keys
     where tenant_id = changed.tenant_id and id = changed.key_id
    on conflict do nothing;
    perform pg_notify('eclusa_changed', '');
    return null;
end
$$;

create trigger stamp_change after insert or update or delete on limits
    for each row execute function stamp_limit();

-- Who is in a group matters to nodes as soon as a limit binds it.
create function stamp_group_member() returns trigger language plpgsql as $$
begin
    if exists (select from limits
                where tenant_id = coalesce(new.tenant_id, old.tenant_id)
                  and group_id = coalesce(new.group_id, old.group_id)) then
        perform stamp_change_of(coalesce(new.tenant_id, old.tenant_id));
    end if;
    return null;
end
$$;

create trigger stamp_change after insert or delete on group_members
    for each row execute function stamp_group_member();

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
grant select on limits, group_members to eclusa_publisher;
grant select on limits to eclusa_ingest, eclusa_reports;
