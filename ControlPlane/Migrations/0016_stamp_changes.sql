-- Which tenants' snapshot shards are dirty. Every write adds (tenant, transaction); a publisher asks which
-- of these transactions its last build could not see (pg_visible_in_snapshot). No sequence and no clock
-- decides, so a transaction that began early and committed late is never skipped; and no row is shared, so
-- writers never wait for each other here. Stamps mean something in this cluster only: after a restore,
-- build everything.
create table snapshot_changes (
    tenant_id   uuid  not null,
    changed_by  xid8  not null,

    constraint snapshot_changes_pkey           primary key (tenant_id, changed_by)
);

create function stamp_change_of(changed_tenant uuid) returns void language sql as $$
    insert into snapshot_changes (tenant_id, changed_by)
    values (changed_tenant, pg_current_xact_id())
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
create trigger stamp_change after insert or update or delete on keys
    for each row execute function stamp_row_of_tenant();
