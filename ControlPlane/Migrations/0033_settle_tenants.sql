-- What a tenant may settle for itself, and how a deleted one goes: marked, its keys and credentials at once
-- of no use, its rows by and by.
alter table tenants
    add column time_zone           text     not null default 'UTC',
    add column currency            text     not null default 'USD',
    add column retention_days      integer,                            -- null: for ever
    add column region              text,                               -- null: anywhere
    add column sign_up_domain      text,                               -- null: by invitation only
    drop constraint tenant_status_is_known,
    add constraint tenant_status_is_known      check (status in ('active', 'suspended', 'deleting')),
    add constraint tenant_time_zone_fits       check (octet_length(time_zone) between 1 and 64),
    add constraint tenant_currency_is_a_code   check (currency ~ '^[A-Z]{3}$'),
    add constraint tenant_retention_is_days    check (retention_days between 1 and 36500),
    add constraint tenant_region_is_a_slug     check (region ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    add constraint tenant_sign_up_domain_fits  check (octet_length(sign_up_domain) between 3 and 253);

create unique index tenant_sign_up_domain_is_unique on tenants (sign_up_domain)
    where sign_up_domain is not null;
create index tenants_being_deleted on tenants (id) where status = 'deleting';

-- Deletes rows of a tenant, at most so many, and gives their number; 0: none are left that the caller may
-- delete; null: somebody else is at it. Usage goes too, the audit log stays. The tables made last come first,
-- for they refer to the others; what is still referred to waits for the next call.
create function purge_tenant(purged uuid, at_most bigint) returns bigint language plpgsql as $$
declare
    guarded regclass;
    deleted bigint := 0;
    gone    bigint;
begin
    if not pg_try_advisory_xact_lock(hashtextextended('eclusa.purge_tenant ' || purged, 0)) then
        return null;
    end if;
    for guarded in
        select attrelid
          from pg_attribute join pg_class on pg_class.oid = attrelid
         where attname = 'tenant_id' and relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
           and not relispartition and has_table_privilege(attrelid, 'delete')
         order by attrelid desc
    loop
        begin
            execute format('delete from %1$s
                             where tenant_id = $1
                               and ctid = any (array(select ctid from %1$s where tenant_id = $1 limit $2))',
                           guarded)
              using purged, at_most - deleted;
            get diagnostics gone = row_count;
            deleted := deleted + gone;
        exception when foreign_key_violation then
            null;
        end;
        exit when deleted >= at_most;
    end loop;
    return deleted;
end
$$;

grant delete on usage_events, usage_minutes, usage_hours, usage_days to eclusa_app;
