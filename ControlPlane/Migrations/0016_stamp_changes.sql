-- What of the snapshot is dirty. Every write adds (tenant, part, transaction); a publisher asks which of these
-- transactions its last build could not see (pg_visible_in_snapshot). No sequence and no clock decides, so a
-- transaction that began early and committed late is never skipped; and no row is shared, so writers never
-- wait for each other here. Stamps mean something in this cluster only: after a restore, build everything.
create table snapshot_changes (
    tenant_id   uuid  not null,
    part        text  not null,                    -- a key's public id; '*': all its keys; '': all but its keys
    changed_by  xid8  not null,

    constraint snapshot_changes_pkey           primary key (tenant_id, part, changed_by)
);

create function stamp_change_of(changed_tenant uuid) returns void language sql as $$
    insert into snapshot_changes (tenant_id, part, changed_by)
    values (changed_tenant, '', pg_current_xact_id())
    on conflict do nothing;
    -- A wake-up and nothing more: it may be lost, and says nothing. Equal ones of a transaction are sent
    -- once.
    select pg_notify('eclusa_changed', '');
$$;

create function stamp_tenant() returns trigger language plpgsql as $$
begin
    perform stamp_change_of(coalesce(new.id, old.id));
    return null;
end
$$;

create function stamp_row_of_tenant() returns trigger language plpgsql as $$
begin
    perform stamp_change_of(coalesce(new.tenant_id, old.tenant_id));
    return null;
end
$$;

create trigger stamp_change after insert or update or delete on tenants
    for each row execute function stamp_tenant();
create trigger stamp_change after insert or update or delete on workspaces
    for each row execute function stamp_row_of_tenant();
create trigger stamp_change after insert or update or delete on providers
    for each row execute function stamp_row_of_tenant();
create trigger stamp_change after insert or update or delete on provider_credentials
    for each row execute function stamp_row_of_tenant();
create trigger stamp_change after insert or update or delete on models
    for each row execute function stamp_row_of_tenant();
create trigger stamp_change after insert or update or delete on prices
    for each row execute function stamp_row_of_tenant();
create trigger stamp_change after insert or update or delete on routes
    for each row execute function stamp_row_of_tenant();
create trigger stamp_change after insert or update or delete on route_targets
    for each row execute function stamp_row_of_tenant();

-- Keys are looked at a statement at a time, since they come and go by the thousand: beyond a hundred of one
-- tenant, the stamp says all of them.
create function stamp_keys() returns trigger language plpgsql as $$
begin
    insert into snapshot_changes (tenant_id, part, changed_by)
    select tenant_id, case when count(*) over (partition by tenant_id) > 100 then '*' else public_id end,
           pg_current_xact_id()
      from changed_keys
    on conflict do nothing;
    if found then
        perform pg_notify('eclusa_changed', '');
    end if;
    return null;
end
$$;

create function stamp_updated_keys() returns trigger language plpgsql as $$
begin
    insert into snapshot_changes (tenant_id, part, changed_by)
    select tenant_id, case when count(*) over (partition by tenant_id) > 200 then '*' else public_id end,
           pg_current_xact_id()
      from (select tenant_id, public_id from old_keys
            union all
            select tenant_id, public_id from new_keys) as changed_keys
    on conflict do nothing;
    if found then
        perform pg_notify('eclusa_changed', '');
    end if;
    return null;
end
$$;

create trigger stamp_change after insert on keys
    referencing new table as changed_keys for each statement execute function stamp_keys();
create trigger stamp_change_updated after update on keys
    referencing old table as old_keys new table as new_keys
    for each statement execute function stamp_updated_keys();
create trigger stamp_change_deleted after delete on keys
    referencing old table as changed_keys for each statement execute function stamp_keys();
