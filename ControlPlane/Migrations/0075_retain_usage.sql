-- Drops the partition of one UTC day, if it is there, more than two days old, and has no row of the tenants that
-- keep theirs; true when it did. Nobody waits for it long: a partition in use is dropped another time.
create function drop_usage_partition(day date, keeping uuid[]) returns boolean
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '2s' as $$
declare
    partition text := 'usage_events_' || to_char(day, 'YYYYMMDD');
    is_kept   boolean;
begin
    if day > (now() at time zone 'UTC')::date - 2 or to_regclass(partition) is null then
        return false;
    end if;
    execute format('lock table %I in access exclusive mode', partition);
    -- The owner is under the policies too, and would see an empty table.
    execute format('alter table %I no force row level security', partition);
    execute format('select exists (select from %I where tenant_id = any ($1))', partition)
       into is_kept using keeping;
    if is_kept then
        execute format('alter table %I force row level security', partition);
        return false;
    end if;
    execute format('drop table %I', partition);
    return true;
end
$$;

revoke execute on function drop_usage_partition from public;
grant execute on function drop_usage_partition to eclusa_ingest;
grant select, delete on usage_events, usage_corrections to eclusa_ingest;
grant select, delete on usage_batches to eclusa_ingest;
grant select (id, retention_days) on tenants to eclusa_ingest;
