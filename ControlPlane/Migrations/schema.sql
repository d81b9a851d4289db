-- The schema after all migrations, to read and to review. Written by `make schema`.

CREATE FUNCTION public.append_to_audit_chain() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    head audit_heads;
begin
    insert into audit_heads (tenant_id, sequence, hash)
    values (new.tenant_id, 0, sha256(uuid_send(new.tenant_id)))
    on conflict do nothing;

    select * into strict head from audit_heads where tenant_id = new.tenant_id for update;

    new.sequence      := head.sequence + 1;
    new.previous_hash := head.hash;
    new.hash          := audit_hash(new);

    update audit_heads set sequence = new.sequence, hash = new.hash where tenant_id = new.tenant_id;
    return new;
end
$$;

CREATE TABLE public.audit_events (
    tenant_id uuid NOT NULL,
    sequence bigint NOT NULL,
    id uuid NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    action text NOT NULL,
    target_kind text NOT NULL,
    target_id text,
    details jsonb NOT NULL,
    address text NOT NULL,
    request_id text NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_event_hashes_are_sha256 CHECK (((octet_length(previous_hash) = 32) AND (octet_length(hash) = 32)))
);

ALTER TABLE ONLY public.audit_events FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.audit_hash(event public.audit_events) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$
    select sha256(event.previous_hash || string_agg(int4send(coalesce(octet_length(field), -1))
                                                    || coalesce(field, ''), '' order by position))
      from unnest(array[
          uuid_send(event.tenant_id), int8send(event.sequence), uuid_send(event.id),
          timestamptz_send(event.occurred_at), textsend(event.actor_kind), uuid_send(event.actor_id),
          textsend(event.action), textsend(event.target_kind), textsend(event.target_id),
          convert_to(event.details::text, 'UTF8'), textsend(event.address), textsend(event.request_id)
      ]) with ordinality as fields (field, position)
$$;

CREATE FUNCTION public.create_usage_partition(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    partition text := 'usage_events_' || to_char(day, 'YYYYMMDD');
    first timestamptz := day::timestamp at time zone 'UTC';
    past timestamptz := (day + 1)::timestamp at time zone 'UTC';
    attach text := 'alter table usage_events attach partition %I for values from (%L) to (%L)';
begin
    if to_regclass(partition) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('eclusa.usage_partition', 0));
    -- Not to_regclass again: it remembers that there was none.
    if exists (select from pg_class where relname = partition) then
        return false;
    end if;
    execute format('create table %I (like usage_events including defaults including constraints)', partition);
    begin
        execute format(attach, partition, first, past);
    exception when check_violation then
        -- Calls of that day are there already: of nodes whose clocks were days ahead.
        alter table usage_events_default no force row level security;
        execute format('with early as (delete from usage_events_default
                                        where started_at >= %L and started_at < %L returning *)
                        insert into %I select * from early', first, past, partition);
        alter table usage_events_default force row level security;
        execute format(attach, partition, first, past);
    end;
    execute format('alter table %I enable row level security', partition);
    execute format('alter table %I force row level security', partition);
    return true;
end
$$;

CREATE FUNCTION public.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    select nullif(current_setting('eclusa.tenant', true), '')::uuid
$$;

CREATE FUNCTION public.drop_usage_partition(day date, keeping uuid[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET lock_timeout TO '2s'
    AS $_$
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
$_$;

CREATE FUNCTION public.first_broken_audit_event(tenant uuid, after bigint DEFAULT 0, upto bigint DEFAULT ((1)::bigint << 62)) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
    select least(
        (select min(sequence)
           from (select sequence,
                        hash = audit_hash(event)
                        and previous_hash = lag(hash, 1, coalesce((select hash
                                                                     from audit_events
                                                                    where tenant_id = tenant
                                                                      and sequence = after),
                                                                  sha256(uuid_send(tenant)))) over chain
                        and sequence = after + row_number() over chain as holds
                   from audit_events as event
                  where tenant_id = tenant and sequence > after and sequence <= upto
                 window chain as (order by sequence)) as links
          where not holds),
        (select coalesce(last.sequence, 0) + 1
           from (select) as always
           left join audit_heads as head on head.tenant_id = tenant
           left join lateral (select sequence, hash
                                from audit_events
                               where tenant_id = tenant
                               order by sequence desc
                               limit 1) as last on true
          where coalesce(last.sequence, 0) <= upto
            and (coalesce(head.sequence, 0), coalesce(head.hash, sha256(uuid_send(tenant))))
                is distinct from
                (coalesce(last.sequence, 0), coalesce(last.hash, sha256(uuid_send(tenant))))))
$$;

CREATE FUNCTION public.is_quiet(quiet_from bigint, quiet_to bigint, zone text, moment timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select coalesce(case when quiet_from < quiet_to then minute >= quiet_from and minute < quiet_to
                         else minute >= quiet_from or minute < quiet_to end, false)
      from (select extract(hour from moment at time zone zone) * 60
                   + extract(minute from moment at time zone zone)) as clock (minute)
$$;

CREATE FUNCTION public.isolate_by_tenant(guarded regclass, tenant_column name DEFAULT 'tenant_id'::name) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    execute format('alter table %s enable row level security', guarded);
    execute format('alter table %s force row level security', guarded);
    execute format('create policy tenant_isolation on %s using (%I = (select current_tenant()))', guarded,
                   tenant_column);
end
$$;

CREATE FUNCTION public.limit_window(period text, zone text, moment timestamp with time zone, OUT starts timestamp with time zone, OUT ends timestamp with time zone) RETURNS record
    LANGUAGE sql STABLE
    AS $$
    select case when period in ('day', 'week', 'month')
                then date_trunc(period, moment at time zone zone) at time zone zone
                else 'epoch' end,
           case when period in ('day', 'week', 'month')
                then (date_trunc(period, moment at time zone zone) + ('1 ' || period)::interval)
                     at time zone zone end
$$;

CREATE FUNCTION public.next_report(period text, zone text, hour bigint, moment timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
    select min(candidate)
      from generate_series(0, 1) as step,
           lateral (select (date_trunc(period, moment at time zone zone) + step * ('1 ' || period)::interval
                            + hour * interval '1 hour') at time zone zone) as one (candidate)
     where candidate > moment
$$;

CREATE FUNCTION public.note_key_tags() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if tg_op = 'UPDATE' then
        delete from key_tags where tenant_id = new.tenant_id and key_id = new.id;
    end if;
    insert into key_tags (tenant_id, tag, key_id)
    select distinct new.tenant_id, tag, new.id from unnest(new.tags) as tag;
    return null;
end
$$;

CREATE FUNCTION public.open_grant_stream() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into grant_streams (node_id, sequence, epoch)
    select new.id, 0, epoch from snapshot_state
    on conflict do nothing;
    return null;
end
$$;

CREATE FUNCTION public.post_ledger_entries() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if exists (select
                 from posted
                group by tenant_id, transaction_id
               having sum(amount_nanos) <> 0) then
        raise exception 'a ledger transaction does not sum to zero'
              using errcode = 'check_violation', constraint = 'ledger_transaction_is_balanced';
    end if;
    insert into ledger_days as kept (tenant_id, day, account, workspace_id, amount_nanos)
    select tenant_id, day, account, workspace_id, sum(amount_nanos)
      from posted
     group by 1, 2, 3, 4
     order by 1, 2, 3, 4
    on conflict (tenant_id, day, account, workspace_id)
    do update set amount_nanos = kept.amount_nanos + excluded.amount_nanos;
    insert into ledger_balances as kept (tenant_id, account, amount_nanos)
    select tenant_id, account, sum(amount_nanos)
      from posted
     group by 1, 2
     order by 1, 2
    on conflict (tenant_id, account)
    do update set amount_nanos = kept.amount_nanos + excluded.amount_nanos;
    return null;
end
$$;

CREATE FUNCTION public.prepaid_amount(tenant uuid, budget uuid) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
    select least(1000000000000000000, greatest(0,
               coalesce((select amount_nanos
                           from ledger_balances
                          where tenant_id = tenant and account = 'balance'), 0)::numeric
               + coalesce((select sum(settled)
                             from grants
                            where tenant_id = tenant and limit_id = budget), 0)))::bigint
$$;

CREATE FUNCTION public.prove_ledger(first date, last date) RETURNS TABLE(tenant_id uuid, day date, what text, expected numeric, found numeric)
    LANGUAGE sql STABLE
    AS $$
    with events as (
        select event.tenant_id, (started_at at time zone 'UTC')::date as day,
               count(*) filter (where purpose = 'call') as calls, sum(cost_nanos) as cost
          from usage_events as event
         where started_at >= first::timestamp at time zone 'UTC'
           and started_at < (last + 1)::timestamp at time zone 'UTC' and purpose <> 'mirror'
         group by 1, 2
        union all
        select correction.tenant_id, (started_at at time zone 'UTC')::date, 0, sum(cost_nanos)
          from usage_corrections as correction
         where started_at >= first::timestamp at time zone 'UTC'
           and started_at < (last + 1)::timestamp at time zone 'UTC'
         group by 1, 2
    ), sums as (
        select 'minutes' as what, minute.tenant_id, (starts_at at time zone 'UTC')::date as day,
               sum(calls) as calls, sum(cost_nanos) as cost
          from usage_minutes as minute
         where starts_at >= first::timestamp at time zone 'UTC'
           and starts_at < (last + 1)::timestamp at time zone 'UTC'
         group by 2, 3
        union all
        select 'hours', hour.tenant_id, (starts_at at time zone 'UTC')::date, sum(calls), sum(cost_nanos)
          from usage_hours as hour
         where starts_at >= first::timestamp at time zone 'UTC'
           and starts_at < (last + 1)::timestamp at time zone 'UTC'
         group by 2, 3
        union all
        select 'events', events.tenant_id, events.day, sum(calls), sum(cost)
          from events
         group by 2, 3
    ), days as (
        select usage_days.tenant_id, (starts_at at time zone 'UTC')::date as day, sum(calls) as calls,
               sum(cost_nanos) as cost
          from usage_days
         where starts_at >= first::timestamp at time zone 'UTC'
           and starts_at < (last + 1)::timestamp at time zone 'UTC'
         group by 1, 2
    ), named as (
        select what from (values ('minutes'), ('hours'), ('events')) as names (what)
    ), compared as (
        select coalesce(days.tenant_id, sums.tenant_id) as tenant_id, coalesce(days.day, sums.day) as day,
               coalesce(days.what, sums.what) as what, coalesce(days.calls, 0) as day_calls,
               coalesce(sums.calls, 0) as calls, coalesce(days.cost, 0) as day_cost,
               coalesce(sums.cost, 0) as cost
          from (select days.*, named.what from days cross join named) as days
          full join sums on sums.tenant_id = days.tenant_id and sums.day = days.day and sums.what = days.what
    ), books as (
        select entry.tenant_id, entry.day, account, sum(amount_nanos) as amount
          from ledger_entries as entry
         where entry.day between first and last
         group by 1, 2, 3
    ), charged as (
        select books.tenant_id, books.day, sum(amount) as amount
          from books
         where account in ('usage', 'own_usage')
         group by 1, 2
    ), used as (
        select event.tenant_id, grant_id, event.node_id, count(*) as requests, sum(input_tokens) as input,
               sum(output_tokens) as output, sum(greatest(cost_nanos, 0)) as cost
          from usage_events as event, unnest(event.grants) as grant_id
         where started_at >= (first - 1)::timestamp at time zone 'UTC'
         group by 1, 2, 3
    )
    select compared.tenant_id, compared.day, compared.what || ' calls', day_calls, calls
      from compared
      left join usage_retention as gone on gone.tenant_id = compared.tenant_id
     where day_calls <> calls
       and not (what = 'events' and events_before is not null
                and compared.day <= (events_before at time zone 'UTC')::date)
    union all
    select compared.tenant_id, compared.day, compared.what || ' cost', day_cost, cost
      from compared
      left join usage_retention as gone on gone.tenant_id = compared.tenant_id
     where day_cost <> cost
       and not (what = 'events' and events_before is not null
                and compared.day <= (events_before at time zone 'UTC')::date)
    union all
    select coalesce(days.tenant_id, charged.tenant_id), coalesce(days.day, charged.day), 'books of usage',
           coalesce(days.cost, 0), coalesce(charged.amount, 0)
      from days
      full join charged on charged.tenant_id = days.tenant_id and charged.day = days.day
     where coalesce(days.cost, 0) <> coalesce(charged.amount, 0)
    union all
    select coalesce(books.tenant_id, kept.tenant_id), coalesce(books.day, kept.day),
           'sums of the account ' || coalesce(books.account, kept.account), coalesce(books.amount, 0),
           coalesce(kept.amount, 0)
      from books
      full join (select ledger_days.tenant_id, ledger_days.day, account, sum(amount_nanos) as amount
                   from ledger_days
                  where ledger_days.day between first and last
                  group by 1, 2, 3) as kept
             on kept.tenant_id = books.tenant_id and kept.day = books.day and kept.account = books.account
     where coalesce(books.amount, 0) <> coalesce(kept.amount, 0)
    union all
    select coalesce(books.tenant_id, asked.tenant_id), coalesce(books.day, asked.day), 'costs of providers',
           coalesce(books.amount, 0), coalesce(asked.amount, 0)
      from (select * from books where account = 'provider_costs') as books
      full join (select provider_costs.tenant_id, provider_costs.day, sum(amount_nanos) as amount
                   from provider_costs
                  where provider_costs.day between first and last
                  group by 1, 2) as asked
             on asked.tenant_id = books.tenant_id and asked.day = books.day
     where coalesce(books.amount, 0) <> coalesce(asked.amount, 0)
    union all
    select coalesce(kept.tenant_id, balance.tenant_id), null, 'balance of ' || coalesce(kept.account,
           balance.account), coalesce(kept.amount, 0), coalesce(balance.amount_nanos, 0)
      from (select ledger_days.tenant_id, account, sum(amount_nanos) as amount
              from ledger_days
             group by 1, 2) as kept
      full join ledger_balances as balance on balance.tenant_id = kept.tenant_id
                                          and balance.account = kept.account
     where coalesce(kept.amount, 0) <> coalesce(balance.amount_nanos, 0)
    union all
    select ledger_balances.tenant_id, null, 'sum of all accounts', 0, sum(amount_nanos)
      from ledger_balances
     group by 1
    having sum(amount_nanos) <> 0
    union all
    select lent.tenant_id, (lent.window_start at time zone 'UTC')::date,
           'budget ' || lent.limit_id || ' at node ' || lent.node_id,
           coalesce(case metric when 'requests'      then used.requests
                                when 'input_tokens'  then used.input
                                when 'output_tokens' then used.output
                                when 'total_tokens'  then used.input + used.output
                                else used.cost end, 0), lent.settled
      from grants as lent
      join limits on limits.tenant_id = lent.tenant_id and limits.id = lent.limit_id
      left join used on used.tenant_id = lent.tenant_id and used.grant_id = lent.id
                    and used.node_id = lent.node_id
      left join usage_retention as gone on gone.tenant_id = lent.tenant_id
     where period in ('day', 'week', 'month', 'lifetime')
       and lent.window_start >= first::timestamp at time zone 'UTC'
       and (events_before is null or events_before <= lent.window_start)
       and lent.settled <> coalesce(case metric when 'requests'      then used.requests
                                                when 'input_tokens'  then used.input
                                                when 'output_tokens' then used.output
                                                when 'total_tokens'  then used.input + used.output
                                                else used.cost end, 0)
$$;

CREATE FUNCTION public.purge_tenant(purged uuid, at_most bigint) RETURNS bigint
    LANGUAGE plpgsql
    AS $_$
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
$_$;

CREATE TABLE public.prices (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    model_id uuid NOT NULL,
    effective_from timestamp with time zone NOT NULL,
    effective_until timestamp with time zone,
    input_rate bigint NOT NULL,
    cached_input_rate bigint NOT NULL,
    cache_write_rate bigint NOT NULL,
    output_rate bigint NOT NULL,
    reasoning_rate bigint NOT NULL,
    tier_above bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    tier_rates bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    batch_rates bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT price_ends_after_it_begins CHECK ((effective_until >= effective_from)),
    CONSTRAINT price_rates_are_in_range CHECK (((LEAST(input_rate, cached_input_rate, cache_write_rate, output_rate, reasoning_rate) >= 0) AND (GREATEST(input_rate, cached_input_rate, cache_write_rate, output_rate, reasoning_rate) <= '1000000000000000'::bigint))),
    CONSTRAINT price_tiers_are_whole CHECK (((cardinality(tier_rates) = (5 * cardinality(tier_above))) AND (cardinality(tier_above) <= 8) AND (cardinality(batch_rates) = ANY (ARRAY[0, 5]))))
);

ALTER TABLE ONLY public.prices FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.rated_cost(price public.prices, input bigint, cached bigint, written bigint, output bigint, reasoning bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
    select (div((input - cached - written)::numeric * rates[1] + 500000, 1000000)
            + div(cached::numeric * rates[2] + 500000, 1000000)
            + div(written::numeric * rates[3] + 500000, 1000000)
            + div((output - reasoning)::numeric * rates[4] + 500000, 1000000)
            + div(reasoning::numeric * rates[5] + 500000, 1000000))::bigint
      from (select coalesce((select price.tier_rates[5 * tier - 4 : 5 * tier]
                               from generate_subscripts(price.tier_above, 1) as tier
                              where input > price.tier_above[tier]
                              order by tier desc
                              limit 1),
                            array[price.input_rate, price.cached_input_rate, price.cache_write_rate,
                                  price.output_rate, price.reasoning_rate]) as rates) as chosen
$$;

CREATE FUNCTION public.refuse_to_change_books() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'the ledger is only added to' using errcode = 'insufficient_privilege';
end
$$;

CREATE FUNCTION public.refuse_to_change_history() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'audit events are never changed' using errcode = 'insufficient_privilege';
end
$$;

CREATE FUNCTION public.refuse_to_change_invoice() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if tg_op = 'UPDATE' and old.status = 'issued' and new.status = 'void'
       and (old.tenant_id, old.id, old.number, old.month, old.total_nanos, old.issuer, old.customer,
            old.issued_at)
           = (new.tenant_id, new.id, new.number, new.month, new.total_nanos, new.issuer, new.customer,
              new.issued_at) then
        return new;
    end if;
    raise exception 'an invoice is voided, never changed' using errcode = 'insufficient_privilege';
end
$$;

CREATE FUNCTION public.reported_period(period text, zone text, moment timestamp with time zone, OUT starts timestamp with time zone, OUT ends timestamp with time zone) RETURNS record
    LANGUAGE sql STABLE
    AS $$
    select (date_trunc(period, moment at time zone zone) - ('1 ' || period)::interval) at time zone zone,
           date_trunc(period, moment at time zone zone) at time zone zone
$$;

CREATE FUNCTION public.revoke_without_its_owner() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.revoked_at := coalesce(new.revoked_at, clock_timestamp());
    return new;
end
$$;

CREATE FUNCTION public.stamp_change_of(changed_tenant uuid) RETURNS void
    LANGUAGE sql
    AS $$
    insert into snapshot_changes (tenant_id, part, changed_by)
    values (changed_tenant, '', pg_current_xact_id())
    on conflict do nothing;
    -- A wake-up and nothing more: it may be lost, and says nothing. Equal ones of a transaction are sent
    -- once.
    select pg_notify('eclusa_changed', '');
$$;

CREATE FUNCTION public.stamp_group_member() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if exists (select from limits
                where tenant_id = coalesce(new.tenant_id, old.tenant_id)
                  and group_id = coalesce(new.group_id, old.group_id)) then
        perform stamp_change_of(coalesce(new.tenant_id, old.tenant_id));
    end if;
    return null;
end
$$;

CREATE FUNCTION public.stamp_keys() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.stamp_limit() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.stamp_row_of_tenant() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform stamp_change_of(coalesce(new.tenant_id, old.tenant_id));
    return null;
end
$$;

CREATE FUNCTION public.stamp_tenant() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform stamp_change_of(coalesce(new.id, old.id));
    return null;
end
$$;

CREATE FUNCTION public.stamp_updated_keys() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.wake_node_listeners() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform pg_notify('eclusa_nodes_changed', '');
    return null;
end
$$;

CREATE FUNCTION public.wake_publisher() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform pg_notify('eclusa_changed', '');
    return null;
end
$$;

CREATE TABLE public.alert_channels (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    recipients text[] NOT NULL,
    url text,
    language text NOT NULL,
    quiet_from bigint,
    quiet_to bigint,
    time_zone text,
    enabled boolean NOT NULL,
    secret bytea,
    previous_secret bytea,
    previous_ends timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT alert_channel_has_an_address CHECK (
CASE kind
    WHEN 'email'::text THEN (((cardinality(recipients) >= 1) AND (cardinality(recipients) <= 10)) AND (url IS NULL) AND (secret IS NULL))
    ELSE ((cardinality(recipients) = 0) AND (url IS NOT NULL) AND (secret IS NOT NULL))
END),
    CONSTRAINT alert_channel_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT alert_channel_overlap_is_whole CHECK (((previous_secret IS NULL) = (previous_ends IS NULL))),
    CONSTRAINT alert_channel_quiet_is_whole CHECK (((num_nulls(quiet_from, quiet_to, time_zone) = ANY (ARRAY[0, 3])) AND ((quiet_from >= 0) AND (quiet_from <= 1439)) AND ((quiet_to >= 0) AND (quiet_to <= 1439))))
);

ALTER TABLE ONLY public.alert_channels FORCE ROW LEVEL SECURITY;

CREATE TABLE public.alert_deliveries (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    place bigint NOT NULL,
    channel_id uuid NOT NULL,
    alert_id uuid,
    event text NOT NULL,
    severity text NOT NULL,
    payload text NOT NULL,
    status text NOT NULL,
    attempts bigint NOT NULL,
    next_attempt_at timestamp with time zone NOT NULL,
    give_up_at timestamp with time zone NOT NULL,
    response_status bigint,
    reason text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT alert_delivery_ends_with_time CHECK (((status = 'waiting'::text) = (finished_at IS NULL))),
    CONSTRAINT alert_delivery_fits CHECK (((octet_length(payload) <= 65536) AND (octet_length(reason) <= 500))),
    CONSTRAINT alert_delivery_status_is_known CHECK ((status = ANY (ARRAY['waiting'::text, 'sent'::text, 'failed'::text])))
);

ALTER TABLE ONLY public.alert_deliveries FORCE ROW LEVEL SECURITY;

ALTER TABLE public.alert_deliveries ALTER COLUMN place ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alert_deliveries_place_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.alert_rules (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    limit_id uuid,
    workspace_id uuid,
    route_id uuid,
    threshold bigint NOT NULL,
    window_minutes bigint NOT NULL,
    percentile bigint NOT NULL,
    minimum_calls bigint NOT NULL,
    channels uuid[] NOT NULL,
    enabled boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT alert_rule_channels_are_few CHECK ((cardinality(channels) <= 20)),
    CONSTRAINT alert_rule_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200)))
);

ALTER TABLE ONLY public.alert_rules FORCE ROW LEVEL SECURITY;

CREATE TABLE public.alerts (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    rule_id uuid NOT NULL,
    subject text NOT NULL,
    about text NOT NULL,
    value bigint NOT NULL,
    threshold bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    last_held_at timestamp with time zone NOT NULL,
    resolved_at timestamp with time zone
);

ALTER TABLE ONLY public.alerts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.audit_heads (
    tenant_id uuid NOT NULL,
    sequence bigint NOT NULL,
    hash bytea NOT NULL
);

ALTER TABLE ONLY public.audit_heads FORCE ROW LEVEL SECURITY;

CREATE TABLE public.backups (
    id uuid NOT NULL,
    status text NOT NULL,
    is_scheduled boolean NOT NULL,
    requested_by uuid,
    requested_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    file text,
    bytes bigint,
    sha256 bytea,
    problem text,
    checked_at timestamp with time zone,
    check_problem text,
    removed_at timestamp with time zone,
    CONSTRAINT backup_is_done_with_a_file CHECK (((status <> 'done'::text) OR ((file IS NOT NULL) AND (bytes IS NOT NULL) AND (sha256 IS NOT NULL)))),
    CONSTRAINT backup_status_is_known CHECK ((status = ANY (ARRAY['requested'::text, 'running'::text, 'done'::text, 'failed'::text])))
);

CREATE TABLE public.billing_settings (
    tenant_id uuid NOT NULL,
    mode text DEFAULT 'postpaid'::text NOT NULL,
    limit_id uuid,
    name text DEFAULT ''::text NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    email text,
    tax_number text DEFAULT ''::text NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    issue_day smallint,
    CONSTRAINT billing_issue_day_is_a_day CHECK (((issue_day >= 1) AND (issue_day <= 28))),
    CONSTRAINT billing_issue_day_is_the_platforms CHECK (((issue_day IS NULL) OR (tenant_id = '00000000-0000-0000-0000-000000000000'::uuid))),
    CONSTRAINT billing_mode_is_known CHECK ((mode = ANY (ARRAY['postpaid'::text, 'prepaid'::text]))),
    CONSTRAINT billing_prepaid_has_a_limit CHECK (((mode = 'prepaid'::text) = (limit_id IS NOT NULL))),
    CONSTRAINT billing_texts_fit CHECK (((octet_length(name) <= 200) AND (octet_length(address) <= 1000) AND (octet_length(tax_number) <= 100)))
);

ALTER TABLE ONLY public.billing_settings FORCE ROW LEVEL SECURITY;

CREATE TABLE public.bindings (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid,
    workspace_id uuid,
    role text,
    created_by uuid,
    created_at timestamp with time zone NOT NULL,
    group_id uuid,
    service_account_id uuid,
    role_id uuid,
    CONSTRAINT binding_gives_one_role CHECK ((num_nonnulls(role, role_id) = 1)),
    CONSTRAINT binding_is_of_one CHECK ((num_nonnulls(user_id, group_id, service_account_id) = 1)),
    CONSTRAINT binding_role_fits CHECK (((octet_length(role) >= 1) AND (octet_length(role) <= 63)))
);

ALTER TABLE ONLY public.bindings FORCE ROW LEVEL SECURITY;

CREATE TABLE public.call_contents (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    started_at timestamp with time zone NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT call_content_fits CHECK (((octet_length(sealed) >= 1) AND (octet_length(sealed) <= 163840)))
);

ALTER TABLE ONLY public.call_contents FORCE ROW LEVEL SECURITY;

CREATE TABLE public.email_tokens (
    token_hash bytea NOT NULL,
    purpose text NOT NULL,
    email text NOT NULL,
    name text,
    locale text,
    user_id uuid,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT email_token_is_hashed CHECK ((octet_length(token_hash) = 32)),
    CONSTRAINT email_token_purpose_is_known CHECK ((purpose = ANY (ARRAY['sign_up'::text, 'verification'::text, 'password_reset'::text]))),
    CONSTRAINT email_token_texts_fit CHECK ((((octet_length(email) >= 3) AND (octet_length(email) <= 254)) AND ((octet_length(name) >= 1) AND (octet_length(name) <= 200))))
);

CREATE TABLE public.grant_accounts (
    tenant_id uuid NOT NULL,
    limit_id uuid NOT NULL,
    part uuid NOT NULL,
    window_start timestamp with time zone NOT NULL,
    window_end timestamp with time zone,
    alerted bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.grant_accounts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.grant_streams (
    node_id uuid NOT NULL,
    sequence bigint NOT NULL,
    epoch bigint NOT NULL,
    first_round bigint
);

CREATE TABLE public.grants (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    limit_id uuid NOT NULL,
    part uuid NOT NULL,
    window_start timestamp with time zone NOT NULL,
    node_id uuid NOT NULL,
    serial bigint NOT NULL,
    lent bigint NOT NULL,
    settled bigint NOT NULL,
    reported bigint NOT NULL,
    held bigint NOT NULL,
    need bigint NOT NULL,
    hold bigint NOT NULL,
    demand bigint NOT NULL,
    orphan boolean NOT NULL,
    written_off boolean DEFAULT false NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT grant_amounts_are_not_negative CHECK ((LEAST(serial, lent, settled, reported, held, need, hold, demand) >= 0))
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.grants FORCE ROW LEVEL SECURITY;

CREATE TABLE public.group_members (
    tenant_id uuid NOT NULL,
    group_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.group_members FORCE ROW LEVEL SECURITY;

CREATE TABLE public.groups (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT group_description_fits CHECK ((octet_length(description) <= 500)),
    CONSTRAINT group_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200)))
);

ALTER TABLE ONLY public.groups FORCE ROW LEVEL SECURITY;

CREATE TABLE public.guardrails (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    workspace_id uuid,
    route_id uuid,
    key_id uuid,
    kind text NOT NULL,
    action text NOT NULL,
    sides text[] NOT NULL,
    mode text NOT NULL,
    enabled boolean NOT NULL,
    texts text[] NOT NULL,
    personal_data text[] NOT NULL,
    maximum_messages bigint,
    maximum_characters bigint,
    maximum_tokens bigint,
    webhook_url text,
    webhook_timeout_ms integer,
    webhook_on_failure text,
    secret bytea,
    fleet_key_id uuid,
    fleet_secret bytea,
    secret_overlap_until timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT guardrail_bounds_are_positive CHECK ((LEAST(maximum_messages, maximum_characters, maximum_tokens) > 0)),
    CONSTRAINT guardrail_fleet_seal_fits CHECK (((octet_length(fleet_secret) >= 1) AND (octet_length(fleet_secret) <= 16384))),
    CONSTRAINT guardrail_fleet_seal_is_whole CHECK (((fleet_key_id IS NULL) = (fleet_secret IS NULL))),
    CONSTRAINT guardrail_has_one_subject CHECK ((num_nonnulls(workspace_id, route_id, key_id) <= 1)),
    CONSTRAINT guardrail_lists_are_short CHECK ((((cardinality(sides) >= 1) AND (cardinality(sides) <= 2)) AND (cardinality(texts) <= 100) AND (cardinality(personal_data) <= 20))),
    CONSTRAINT guardrail_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT guardrail_webhook_fits CHECK ((((octet_length(webhook_url) >= 1) AND (octet_length(webhook_url) <= 512)) AND ((webhook_timeout_ms >= 50) AND (webhook_timeout_ms <= 10000)) AND ((octet_length(webhook_on_failure) >= 1) AND (octet_length(webhook_on_failure) <= 40)) AND ((octet_length(secret) >= 1) AND (octet_length(secret) <= 16384)))),
    CONSTRAINT guardrail_webhook_is_whole CHECK (((num_nulls(webhook_url, webhook_timeout_ms, webhook_on_failure, secret) = ANY (ARRAY[0, 4])) AND ((kind = 'webhook'::text) = (secret IS NOT NULL)))),
    CONSTRAINT guardrail_words_fit CHECK ((((octet_length(kind) >= 1) AND (octet_length(kind) <= 40)) AND ((octet_length(action) >= 1) AND (octet_length(action) <= 40)) AND ((octet_length(mode) >= 1) AND (octet_length(mode) <= 40))))
);

ALTER TABLE ONLY public.guardrails FORCE ROW LEVEL SECURITY;

CREATE TABLE public.idempotency_keys (
    caller_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint,
    body bytea,
    change_token text,
    entity_tag text,
    holds_secret boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT idempotency_key_fits CHECK (((octet_length(key) >= 1) AND (octet_length(key) <= 255))),
    CONSTRAINT idempotency_request_is_hashed CHECK ((octet_length(request_hash) = 32))
);

CREATE TABLE public.identity_provider_roles (
    tenant_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    group_name text NOT NULL,
    role text NOT NULL,
    CONSTRAINT identity_provider_role_fits CHECK ((((octet_length(group_name) >= 1) AND (octet_length(group_name) <= 255)) AND ((octet_length(role) >= 1) AND (octet_length(role) <= 63))))
);

ALTER TABLE ONLY public.identity_provider_roles FORCE ROW LEVEL SECURITY;

CREATE TABLE public.identity_providers (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    issuer text NOT NULL,
    client_id text NOT NULL,
    client_secret bytea,
    scopes text[] NOT NULL,
    group_claim text NOT NULL,
    allowed_domains text[] NOT NULL,
    creates_users boolean NOT NULL,
    is_enabled boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT identity_provider_texts_fit CHECK ((((octet_length(name) >= 1) AND (octet_length(name) <= 200)) AND ((octet_length(issuer) >= 8) AND (octet_length(issuer) <= 2048)) AND ((octet_length(client_id) >= 1) AND (octet_length(client_id) <= 500)) AND ((octet_length(group_claim) >= 1) AND (octet_length(group_claim) <= 200))))
);

ALTER TABLE ONLY public.identity_providers FORCE ROW LEVEL SECURITY;

CREATE TABLE public.invitations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    email text NOT NULL,
    roles text[] NOT NULL,
    workspace_id uuid,
    token_hash bytea NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    accepted_at timestamp with time zone,
    accepted_by uuid,
    CONSTRAINT invitation_email_fits CHECK (((octet_length(email) >= 3) AND (octet_length(email) <= 254))),
    CONSTRAINT invitation_gives_a_role CHECK (((cardinality(roles) >= 1) AND (cardinality(roles) <= 20))),
    CONSTRAINT invitation_token_is_hashed CHECK ((octet_length(token_hash) = 32)),
    CONSTRAINT invitation_use_is_complete CHECK (((accepted_at IS NULL) = (accepted_by IS NULL)))
);

ALTER TABLE ONLY public.invitations FORCE ROW LEVEL SECURITY;

CREATE TABLE public.invoice_lines (
    tenant_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    "position" integer NOT NULL,
    month date NOT NULL,
    workspace_id uuid NOT NULL,
    workspace_name text NOT NULL,
    model_id uuid NOT NULL,
    model_name text NOT NULL,
    calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    amount_nanos bigint NOT NULL
);

ALTER TABLE ONLY public.invoice_lines FORCE ROW LEVEL SECURITY;

CREATE TABLE public.invoice_numbers (
    year integer NOT NULL,
    number bigint NOT NULL
);

CREATE TABLE public.invoices (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    number text NOT NULL,
    month date NOT NULL,
    status text NOT NULL,
    total_nanos bigint NOT NULL,
    issuer jsonb NOT NULL,
    customer jsonb NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    issued_by uuid,
    voided_at timestamp with time zone,
    void_reason text,
    CONSTRAINT invoice_is_void_with_a_reason CHECK (((status = 'void'::text) = ((voided_at IS NOT NULL) AND (void_reason IS NOT NULL)))),
    CONSTRAINT invoice_status_is_known CHECK ((status = ANY (ARRAY['issued'::text, 'void'::text])))
);

ALTER TABLE ONLY public.invoices FORCE ROW LEVEL SECURITY;

CREATE TABLE public.job_runs (
    name text NOT NULL,
    started_at timestamp with time zone NOT NULL
);

CREATE TABLE public.join_tokens (
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    node_name text NOT NULL,
    region text NOT NULL,
    created_by uuid,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    used_by uuid,
    CONSTRAINT join_token_is_hashed CHECK ((octet_length(token_hash) = 32)),
    CONSTRAINT join_token_use_is_complete CHECK (((used_at IS NULL) = (used_by IS NULL)))
);

CREATE TABLE public.key_tags (
    tenant_id uuid NOT NULL,
    tag text NOT NULL,
    key_id uuid NOT NULL
);

ALTER TABLE ONLY public.key_tags FORCE ROW LEVEL SECURITY;

CREATE TABLE public.key_uses (
    tenant_id uuid NOT NULL,
    key_id uuid NOT NULL,
    last_used_at timestamp with time zone NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.key_uses FORCE ROW LEVEL SECURITY;

CREATE TABLE public.keys (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    workspace_id uuid NOT NULL,
    name text NOT NULL,
    folded_name text GENERATED ALWAYS AS (lower(name)) STORED COLLATE pg_catalog."C",
    kind text DEFAULT 'application'::text NOT NULL,
    owner_id uuid,
    public_id text NOT NULL,
    secret_hash bytea NOT NULL,
    previous_hash bytea,
    previous_until timestamp with time zone,
    endpoints bigint NOT NULL,
    routes uuid[] NOT NULL,
    models uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    ip_ranges text[] DEFAULT '{}'::text[] NOT NULL,
    not_before timestamp with time zone,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    strict boolean DEFAULT false NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata_names text[] DEFAULT '{}'::text[] NOT NULL,
    metadata_values text[] DEFAULT '{}'::text[] NOT NULL,
    created_by uuid,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT key_endpoints_are_32_bits CHECK (((endpoints >= 0) AND (endpoints <= '4294967295'::bigint))),
    CONSTRAINT key_kind_fits CHECK (((octet_length(kind) >= 1) AND (octet_length(kind) <= 63))),
    CONSTRAINT key_lifetime_is_not_empty CHECK ((expires_at > not_before)),
    CONSTRAINT key_lists_are_short CHECK (((cardinality(routes) <= 100) AND (cardinality(models) <= 100) AND (cardinality(ip_ranges) <= 32) AND (cardinality(tags) <= 16))),
    CONSTRAINT key_metadata_are_pairs CHECK (((cardinality(metadata_names) = cardinality(metadata_values)) AND (cardinality(metadata_names) <= 16))),
    CONSTRAINT key_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT key_previous_secret_is_whole CHECK ((((previous_hash IS NULL) = (previous_until IS NULL)) AND (octet_length(previous_hash) = 32))),
    CONSTRAINT key_public_id_is_base62 CHECK ((public_id ~ '^[0-9A-Za-z]{16}$'::text)),
    CONSTRAINT key_secret_is_hashed CHECK ((octet_length(secret_hash) = 32))
);

ALTER TABLE ONLY public.keys FORCE ROW LEVEL SECURITY;

CREATE TABLE public.ledger_balances (
    tenant_id uuid NOT NULL,
    account text NOT NULL,
    amount_nanos bigint NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.ledger_balances FORCE ROW LEVEL SECURITY;

CREATE TABLE public.ledger_days (
    tenant_id uuid NOT NULL,
    day date NOT NULL,
    account text NOT NULL,
    workspace_id uuid NOT NULL,
    amount_nanos bigint NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.ledger_days FORCE ROW LEVEL SECURITY;

CREATE TABLE public.ledger_entries (
    tenant_id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    account text NOT NULL,
    workspace_id uuid NOT NULL,
    day date NOT NULL,
    amount_nanos bigint NOT NULL,
    CONSTRAINT ledger_account_is_known CHECK ((account = ANY (ARRAY['balance'::text, 'usage'::text, 'own_usage'::text, 'own_providers'::text, 'provider_costs'::text, 'providers'::text, 'payments'::text, 'credits'::text, 'adjustments'::text])))
);

ALTER TABLE ONLY public.ledger_entries FORCE ROW LEVEL SECURITY;

CREATE TABLE public.ledger_proofs (
    id uuid NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    requested_by uuid,
    differences bigint NOT NULL,
    findings jsonb NOT NULL
);

CREATE TABLE public.ledger_transactions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    posted_at timestamp with time zone NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    reference text,
    posted_by uuid,
    CONSTRAINT ledger_kind_is_known CHECK ((kind = ANY (ARRAY['usage'::text, 'correction'::text, 'payment'::text, 'credit'::text, 'adjustment'::text]))),
    CONSTRAINT ledger_reason_fits CHECK ((octet_length(reason) <= 1000))
);

ALTER TABLE ONLY public.ledger_transactions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.limit_alerts (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    limit_id uuid NOT NULL,
    part uuid NOT NULL,
    window_start timestamp with time zone NOT NULL,
    threshold bigint NOT NULL,
    used bigint NOT NULL,
    amount bigint NOT NULL,
    crossed_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.limit_alerts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.limits (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    workspace_id uuid,
    group_id uuid,
    user_id uuid,
    key_id uuid,
    routes uuid[] NOT NULL,
    models uuid[] NOT NULL,
    tags text[] NOT NULL,
    partition_by text NOT NULL,
    metric text NOT NULL,
    amount bigint NOT NULL,
    period text NOT NULL,
    time_zone text NOT NULL,
    mode text NOT NULL,
    thresholds bigint[] NOT NULL,
    increase_amount bigint,
    increase_expires timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    follows_balance boolean DEFAULT false NOT NULL,
    CONSTRAINT limit_amount_is_in_range CHECK (((amount >= 1) AND (amount <= '1000000000000000000'::bigint))),
    CONSTRAINT limit_has_one_subject CHECK ((num_nonnulls(workspace_id, group_id, user_id, key_id) <= 1)),
    CONSTRAINT limit_increase_is_whole CHECK ((((increase_amount IS NULL) = (increase_expires IS NULL)) AND (increase_amount > 0))),
    CONSTRAINT limit_lists_are_short CHECK (((cardinality(routes) <= 100) AND (cardinality(models) <= 100) AND (cardinality(tags) <= 100) AND (cardinality(thresholds) <= 10))),
    CONSTRAINT limit_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200)))
);

ALTER TABLE ONLY public.limits FORCE ROW LEVEL SECURITY;

CREATE TABLE public.mails (
    id uuid NOT NULL,
    recipient text NOT NULL,
    kind text NOT NULL,
    sealed bytea,
    status text NOT NULL,
    attempts integer NOT NULL,
    next_attempt_at timestamp with time zone NOT NULL,
    give_up_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT mail_reason_fits CHECK ((octet_length(reason) <= 500)),
    CONSTRAINT mail_recipient_fits CHECK (((octet_length(recipient) >= 3) AND (octet_length(recipient) <= 254))),
    CONSTRAINT mail_status_is_known CHECK ((status = ANY (ARRAY['waiting'::text, 'sent'::text, 'failed'::text]))),
    CONSTRAINT mail_text_ends_with_it CHECK ((((status = 'waiting'::text) = (sealed IS NOT NULL)) AND ((status = 'waiting'::text) = (finished_at IS NULL)) AND (octet_length(sealed) <= 2097152)))
);

CREATE TABLE public.management_tokens (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    service_account_id uuid NOT NULL,
    name text NOT NULL,
    public_id text NOT NULL,
    secret_hash bytea NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    created_by uuid,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT token_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT token_public_id_is_base62 CHECK ((public_id ~ '^[0-9A-Za-z]{16}$'::text)),
    CONSTRAINT token_secret_is_hashed CHECK ((octet_length(secret_hash) = 32))
);

ALTER TABLE ONLY public.management_tokens FORCE ROW LEVEL SECURITY;

CREATE TABLE public.members (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.members FORCE ROW LEVEL SECURITY;

CREATE TABLE public.models (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    name text NOT NULL,
    display_name text NOT NULL,
    context_window integer,
    maximum_output integer,
    capabilities text[] DEFAULT '{}'::text[] NOT NULL,
    source text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT model_facts_fit CHECK (((cardinality(capabilities) <= 32) AND (octet_length(source) <= 512))),
    CONSTRAINT model_names_fit CHECK ((((octet_length(name) >= 1) AND (octet_length(name) <= 128)) AND ((octet_length(display_name) >= 1) AND (octet_length(display_name) <= 200)))),
    CONSTRAINT model_sizes_are_positive CHECK (((context_window > 0) AND (maximum_output > 0)))
);

ALTER TABLE ONLY public.models FORCE ROW LEVEL SECURITY;

CREATE TABLE public.node_reports (
    node_id uuid NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    software_version text NOT NULL,
    process_nonce text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    running_epoch bigint,
    running_counter bigint,
    running_issued_at timestamp with time zone,
    rejected_epoch bigint,
    rejected_counter bigint,
    rejected_stage text,
    rejected_reason text,
    calls_in_flight bigint NOT NULL,
    outbox_events bigint NOT NULL,
    outbox_bytes bigint NOT NULL,
    draining boolean NOT NULL,
    CONSTRAINT node_report_texts_fit CHECK (((octet_length(software_version) <= 64) AND (octet_length(process_nonce) <= 64) AND (octet_length(rejected_stage) <= 64) AND (octet_length(rejected_reason) <= 2048)))
)
WITH (fillfactor='50');

CREATE TABLE public.nodes (
    id uuid NOT NULL,
    name text NOT NULL,
    region text NOT NULL,
    status text NOT NULL,
    identity_key bytea NOT NULL,
    sealing_key bytea NOT NULL,
    software_version text NOT NULL,
    joined_at timestamp with time zone NOT NULL,
    CONSTRAINT node_keys_are_32_bytes CHECK (((octet_length(identity_key) = 32) AND (octet_length(sealing_key) = 32))),
    CONSTRAINT node_name_is_a_slug CHECK ((name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT node_region_is_a_slug CHECK ((region ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT node_software_version_fits CHECK ((octet_length(software_version) <= 64)),
    CONSTRAINT node_status_is_known CHECK ((status = ANY (ARRAY['active'::text, 'draining'::text, 'revoked'::text])))
);

CREATE TABLE public.payments (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    provider text NOT NULL,
    event text NOT NULL,
    amount_nanos bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    transaction_id uuid NOT NULL,
    CONSTRAINT payment_is_an_amount CHECK ((amount_nanos > 0)),
    CONSTRAINT payment_names_fit CHECK ((((octet_length(provider) >= 1) AND (octet_length(provider) <= 64)) AND ((octet_length(event) >= 1) AND (octet_length(event) <= 255))))
);

ALTER TABLE ONLY public.payments FORCE ROW LEVEL SECURITY;

CREATE TABLE public.platform_secrets (
    purpose text NOT NULL,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    sealed_by text DEFAULT ''::text NOT NULL,
    public bytea,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    retired_at timestamp with time zone,
    CONSTRAINT platform_secret_is_sealed CHECK (((octet_length(sealed) >= 1) AND (octet_length(sealed) <= 65536))),
    CONSTRAINT platform_secret_names_fit CHECK ((((octet_length(purpose) >= 1) AND (octet_length(purpose) <= 63)) AND ((octet_length(key_id) >= 1) AND (octet_length(key_id) <= 128))))
);

CREATE TABLE public.provider_costs (
    tenant_id uuid NOT NULL,
    day date NOT NULL,
    provider_id uuid NOT NULL,
    model_id uuid NOT NULL,
    amount_nanos bigint NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.provider_costs FORCE ROW LEVEL SECURITY;

CREATE TABLE public.provider_credentials (
    tenant_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    id uuid NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    sealed bytea NOT NULL,
    fleet_key_id uuid,
    fleet_sealed bytea,
    hint text NOT NULL,
    weight integer DEFAULT 100 NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT credential_fleet_seal_fits CHECK (((octet_length(fleet_sealed) >= 1) AND (octet_length(fleet_sealed) <= 16384))),
    CONSTRAINT credential_fleet_seal_is_whole CHECK (((fleet_key_id IS NULL) = (fleet_sealed IS NULL))),
    CONSTRAINT credential_hint_is_short CHECK ((octet_length(hint) <= 16)),
    CONSTRAINT credential_is_sealed CHECK (((octet_length(sealed) >= 1) AND (octet_length(sealed) <= 16384))),
    CONSTRAINT credential_name_fits CHECK ((octet_length(name) <= 200)),
    CONSTRAINT credential_weight_is_positive CHECK (((weight >= 1) AND (weight <= 1000)))
);

ALTER TABLE ONLY public.provider_credentials FORCE ROW LEVEL SECURITY;

CREATE TABLE public.provider_tests (
    tenant_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    tested_at timestamp with time zone NOT NULL,
    outcome text NOT NULL,
    status integer,
    latency_ms integer NOT NULL,
    models integer,
    problem text NOT NULL,
    CONSTRAINT test_texts_fit CHECK ((((octet_length(outcome) >= 1) AND (octet_length(outcome) <= 63)) AND (octet_length(problem) <= 1000)))
);

ALTER TABLE ONLY public.provider_tests FORCE ROW LEVEL SECURITY;

CREATE TABLE public.providers (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    base_url text NOT NULL,
    option_names text[] DEFAULT '{}'::text[] NOT NULL,
    option_values text[] DEFAULT '{}'::text[] NOT NULL,
    header_names text[] NOT NULL,
    header_values text[] NOT NULL,
    connect_ms integer NOT NULL,
    first_byte_ms integer NOT NULL,
    between_chunks_ms integer NOT NULL,
    total_ms integer NOT NULL,
    proxy text,
    enabled boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT provider_base_url_fits CHECK (((octet_length(base_url) >= 1) AND (octet_length(base_url) <= 512))),
    CONSTRAINT provider_headers_are_few CHECK ((cardinality(header_names) <= 20)),
    CONSTRAINT provider_headers_are_pairs CHECK ((cardinality(header_names) = cardinality(header_values))),
    CONSTRAINT provider_kind_fits CHECK (((octet_length(kind) >= 1) AND (octet_length(kind) <= 63))),
    CONSTRAINT provider_name_is_a_slug CHECK ((name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT provider_options_are_pairs CHECK (((cardinality(option_names) = cardinality(option_values)) AND (cardinality(option_names) <= 16))),
    CONSTRAINT provider_proxy_fits CHECK (((octet_length(proxy) >= 1) AND (octet_length(proxy) <= 300))),
    CONSTRAINT provider_timeouts_are_positive CHECK ((LEAST(connect_ms, first_byte_ms, between_chunks_ms, total_ms) > 0))
);

ALTER TABLE ONLY public.providers FORCE ROW LEVEL SECURITY;

CREATE TABLE public.reconciliation_lines (
    reconciliation_id uuid NOT NULL,
    "position" integer NOT NULL,
    day date NOT NULL,
    model text NOT NULL,
    our_calls bigint NOT NULL,
    our_input_tokens bigint NOT NULL,
    our_output_tokens bigint NOT NULL,
    our_cost_nanos bigint NOT NULL,
    their_calls bigint,
    their_input_tokens bigint,
    their_output_tokens bigint,
    their_cost_nanos bigint
);

CREATE TABLE public.reconciliations (
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by uuid,
    CONSTRAINT reconciliation_has_a_period CHECK ((starts_on < ends_on))
);

CREATE TABLE public.recovery_codes (
    user_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    CONSTRAINT recovery_code_is_hashed CHECK ((octet_length(code_hash) = 32))
);

CREATE TABLE public.refresh_tokens (
    token_hash bytea NOT NULL,
    session_id uuid NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT refresh_token_is_hashed CHECK ((octet_length(token_hash) = 32))
);

CREATE TABLE public.refusal_minutes (
    tenant_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    key_id uuid NOT NULL,
    code text NOT NULL,
    workspace_id uuid NOT NULL,
    calls bigint NOT NULL,
    CONSTRAINT refusal_minute_code_fits CHECK (((octet_length(code) >= 1) AND (octet_length(code) <= 64)))
);

ALTER TABLE ONLY public.refusal_minutes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.refusal_samples (
    tenant_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    request_id text NOT NULL,
    key_id uuid NOT NULL,
    workspace_id uuid NOT NULL,
    node_id uuid NOT NULL,
    code text NOT NULL,
    status_code smallint NOT NULL
);

ALTER TABLE ONLY public.refusal_samples FORCE ROW LEVEL SECURITY;

CREATE TABLE public.report_schedules (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    period text NOT NULL,
    hour bigint NOT NULL,
    time_zone text NOT NULL,
    group_by text NOT NULL,
    lines bigint NOT NULL,
    recipients text[] NOT NULL,
    language text NOT NULL,
    enabled boolean NOT NULL,
    next_at timestamp with time zone NOT NULL,
    last_sent_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT report_schedule_has_recipients CHECK (((cardinality(recipients) >= 1) AND (cardinality(recipients) <= 10))),
    CONSTRAINT report_schedule_is_in_range CHECK ((((hour >= 0) AND (hour <= 23)) AND ((lines >= 1) AND (lines <= 100)))),
    CONSTRAINT report_schedule_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200)))
);

ALTER TABLE ONLY public.report_schedules FORCE ROW LEVEL SECURITY;

CREATE TABLE public.reratings (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    model_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    price_id uuid,
    markup integer NOT NULL,
    events bigint NOT NULL,
    before_nanos bigint NOT NULL,
    after_nanos bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by uuid,
    CONSTRAINT rerating_has_a_period CHECK ((starts_at < ends_at))
);

ALTER TABLE ONLY public.reratings FORCE ROW LEVEL SECURITY;

CREATE TABLE public.roles (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    permissions text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT role_description_fits CHECK ((octet_length(description) <= 500)),
    CONSTRAINT role_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT role_permissions_are_few CHECK ((cardinality(permissions) <= 500))
);

ALTER TABLE ONLY public.roles FORCE ROW LEVEL SECURITY;

CREATE TABLE public.rollouts (
    singleton boolean DEFAULT true NOT NULL,
    pinned_epoch bigint,
    pinned_counter bigint,
    held_epoch bigint,
    held_counter bigint,
    base_epoch bigint,
    base_counter bigint,
    candidate_counter bigint,
    stage text DEFAULT 'done'::text NOT NULL,
    since timestamp with time zone,
    reason text,
    CONSTRAINT rollout_done_holds_nothing CHECK (((stage = 'done'::text) = (held_epoch IS NULL))),
    CONSTRAINT rollout_held_is_complete CHECK (((held_epoch IS NULL) = (held_counter IS NULL))),
    CONSTRAINT rollout_pin_is_complete CHECK (((pinned_epoch IS NULL) = (pinned_counter IS NULL))),
    CONSTRAINT rollout_stage_is_known CHECK ((stage = ANY (ARRAY['done'::text, 'canary'::text, 'tenth'::text, 'stopped'::text, 'frozen'::text]))),
    CONSTRAINT rollouts_is_one_row CHECK (singleton)
);

CREATE TABLE public.route_targets (
    tenant_id uuid NOT NULL,
    route_id uuid NOT NULL,
    "position" smallint NOT NULL,
    model_tenant_id uuid,
    model_id uuid,
    target_route_id uuid,
    weight integer NOT NULL,
    priority integer NOT NULL,
    target_use text DEFAULT 'traffic'::text NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    minimum_input bigint DEFAULT 0 NOT NULL,
    maximum_input bigint,
    needs text[] DEFAULT '{}'::text[] NOT NULL,
    days integer,
    from_minute integer,
    until_minute integer,
    parameter_names text[] DEFAULT '{}'::text[] NOT NULL,
    parameter_values text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT target_hours_are_whole CHECK ((((days IS NULL) = (from_minute IS NULL)) AND ((days IS NULL) = (until_minute IS NULL)))),
    CONSTRAINT target_is_a_model_or_a_route CHECK ((((model_id IS NULL) <> (target_route_id IS NULL)) AND ((model_id IS NULL) = (model_tenant_id IS NULL)))),
    CONSTRAINT target_model_is_own_or_shared CHECK (((model_tenant_id = tenant_id) OR (model_tenant_id = '00000000-0000-0000-0000-000000000000'::uuid))),
    CONSTRAINT target_parameters_are_pairs CHECK (((cardinality(parameter_names) = cardinality(parameter_values)) AND (cardinality(parameter_names) <= 16))),
    CONSTRAINT target_position_is_in_range CHECK ((("position" >= 0) AND ("position" <= 31))),
    CONSTRAINT target_priority_is_in_range CHECK (((priority >= 0) AND (priority <= 100))),
    CONSTRAINT target_weight_is_in_range CHECK (((weight >= 1) AND (weight <= 1000))),
    CONSTRAINT target_words_fit CHECK ((((octet_length(target_use) >= 1) AND (octet_length(target_use) <= 40)) AND (cardinality(tags) <= 8) AND (cardinality(needs) <= 32)))
);

ALTER TABLE ONLY public.route_targets FORCE ROW LEVEL SECURITY;

CREATE TABLE public.routes (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    enabled boolean NOT NULL,
    strategy text DEFAULT 'weighted'::text NOT NULL,
    affinity text DEFAULT 'session'::text NOT NULL,
    attempts integer DEFAULT 3 NOT NULL,
    attempts_per_target integer DEFAULT 2 NOT NULL,
    backoff_ms integer DEFAULT 250 NOT NULL,
    hedge_after_ms integer DEFAULT 0 NOT NULL,
    connect_ms integer,
    first_byte_ms integer,
    first_token_ms integer,
    between_chunks_ms integer,
    total_ms integer,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    cache_seconds integer,
    cache_maximum_bytes integer,
    hedge_percentile integer DEFAULT 0 NOT NULL,
    untranslated_fields text DEFAULT 'drop'::text NOT NULL,
    CONSTRAINT route_attempts_are_in_range CHECK ((((attempts >= 1) AND (attempts <= 10)) AND ((attempts_per_target >= 1) AND (attempts_per_target <= 5)))),
    CONSTRAINT route_cache_is_whole CHECK ((((cache_seconds IS NULL) = (cache_maximum_bytes IS NULL)) AND ((cache_seconds >= 1) AND (cache_seconds <= 604800)) AND ((cache_maximum_bytes >= 1024) AND (cache_maximum_bytes <= 1048576)))),
    CONSTRAINT route_hedge_percentile_is_in_range CHECK (((hedge_percentile = 0) OR ((hedge_percentile >= 50) AND (hedge_percentile <= 99)))),
    CONSTRAINT route_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 128))),
    CONSTRAINT route_timeouts_are_positive CHECK ((LEAST(connect_ms, first_byte_ms, first_token_ms, between_chunks_ms, total_ms) > 0)),
    CONSTRAINT route_untranslated_fields_are_known CHECK ((untranslated_fields = ANY (ARRAY['drop'::text, 'reject'::text]))),
    CONSTRAINT route_waits_are_in_range CHECK ((((backoff_ms >= 0) AND (backoff_ms <= 10000)) AND ((hedge_after_ms >= 0) AND (hedge_after_ms <= 600000)))),
    CONSTRAINT route_words_fit CHECK ((((octet_length(strategy) >= 1) AND (octet_length(strategy) <= 40)) AND ((octet_length(affinity) >= 1) AND (octet_length(affinity) <= 40))))
);

ALTER TABLE ONLY public.routes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.schema_migrations (
    number bigint NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.scim_group_members (
    tenant_id uuid NOT NULL,
    group_id uuid NOT NULL,
    user_id uuid NOT NULL
);

ALTER TABLE ONLY public.scim_group_members FORCE ROW LEVEL SECURITY;

CREATE TABLE public.scim_groups (
    tenant_id uuid NOT NULL,
    group_id uuid NOT NULL,
    external_id text,
    CONSTRAINT scim_group_external_id_fits CHECK ((octet_length(external_id) <= 255))
);

ALTER TABLE ONLY public.scim_groups FORCE ROW LEVEL SECURITY;

CREATE TABLE public.scim_users (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    user_name text NOT NULL,
    external_id text,
    display_name text,
    given_name text,
    family_name text,
    email text NOT NULL,
    active boolean NOT NULL,
    made_account boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT scim_user_texts_fit CHECK ((((octet_length(user_name) >= 1) AND (octet_length(user_name) <= 254)) AND (octet_length(external_id) <= 255) AND (octet_length(display_name) <= 255) AND (octet_length(given_name) <= 255) AND (octet_length(family_name) <= 255) AND ((octet_length(email) >= 3) AND (octet_length(email) <= 254))))
);

ALTER TABLE ONLY public.scim_users FORCE ROW LEVEL SECURITY;

CREATE TABLE public.second_factors (
    user_id uuid NOT NULL,
    sealed bytea NOT NULL,
    confirmed_at timestamp with time zone,
    last_step bigint NOT NULL,
    failures integer NOT NULL,
    blocked_until timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT second_factor_is_sealed CHECK (((octet_length(sealed) >= 41) AND (octet_length(sealed) <= 1024)))
);

CREATE TABLE public.service_accounts (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    status text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT service_account_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT service_account_note_fits CHECK ((octet_length(description) <= 500)),
    CONSTRAINT service_account_status_is_known CHECK ((status = ANY (ARRAY['active'::text, 'disabled'::text])))
);

ALTER TABLE ONLY public.service_accounts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.sessions (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    user_agent text DEFAULT ''::text NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    only_tenant uuid,
    CONSTRAINT session_texts_fit CHECK (((octet_length(user_agent) <= 512) AND (octet_length(address) <= 64)))
);

CREATE TABLE public.sign_in_challenges (
    token_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    only_tenant uuid,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sign_in_challenge_is_hashed CHECK ((octet_length(token_hash) = 32))
);

CREATE UNLOGGED TABLE public.sign_in_failures (
    subject bytea NOT NULL,
    count integer NOT NULL,
    free integer NOT NULL,
    last_at timestamp with time zone NOT NULL,
    blocked_until timestamp with time zone NOT NULL,
    CONSTRAINT sign_in_failure_is_hashed CHECK ((octet_length(subject) = 32))
);

CREATE TABLE public.sign_in_flows (
    token_hash bytea NOT NULL,
    state_hash bytea NOT NULL,
    provider_id uuid NOT NULL,
    sealed bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sign_in_flow_is_hashed CHECK (((octet_length(token_hash) = 32) AND (octet_length(state_hash) = 32)))
);

CREATE TABLE public.sign_up_settings (
    only_row boolean DEFAULT true NOT NULL,
    is_open boolean NOT NULL,
    allowed_domains text[] NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT sign_up_settings_is_one_row CHECK (only_row)
);

CREATE TABLE public.snapshot_changes (
    tenant_id uuid NOT NULL,
    part text NOT NULL,
    changed_by xid8 NOT NULL
);

ALTER TABLE ONLY public.snapshot_changes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.snapshot_objects (
    sha256 bytea NOT NULL,
    bytes bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT snapshot_object_is_named_right CHECK ((sha256 = sha256(bytes)))
);
ALTER TABLE ONLY public.snapshot_objects ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE public.snapshot_state (
    singleton boolean DEFAULT true NOT NULL,
    epoch bigint NOT NULL,
    counter bigint NOT NULL,
    built_from pg_snapshot,
    CONSTRAINT snapshot_state_is_not_negative CHECK (((epoch >= 1) AND (counter >= 0))),
    CONSTRAINT snapshot_state_is_one_row CHECK (singleton)
);

CREATE TABLE public.snapshot_versions (
    epoch bigint NOT NULL,
    counter bigint NOT NULL,
    manifest bytea NOT NULL,
    objects bytea[] NOT NULL,
    built_from pg_snapshot NOT NULL,
    track text DEFAULT 'live'::text NOT NULL,
    lacks xid8[] DEFAULT '{}'::xid8[] NOT NULL,
    published_at timestamp with time zone NOT NULL,
    CONSTRAINT snapshot_track_is_known CHECK ((track = ANY (ARRAY['live'::text, 'held'::text])))
);
ALTER TABLE ONLY public.snapshot_versions ALTER COLUMN manifest SET STORAGE EXTERNAL;

CREATE TABLE public.tenant_security (
    tenant_id uuid NOT NULL,
    requires_second_factor boolean NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.tenant_security FORCE ROW LEVEL SECURITY;

CREATE TABLE public.tenants (
    id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    status text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    currency text DEFAULT 'USD'::text NOT NULL,
    retention_days integer,
    region text,
    sign_up_domain text,
    markup integer DEFAULT 0 NOT NULL,
    content_days integer,
    content_percent integer DEFAULT 100 NOT NULL,
    CONSTRAINT tenant_content_is_a_share CHECK (((content_percent >= 1) AND (content_percent <= 100))),
    CONSTRAINT tenant_content_is_days CHECK (((content_days >= 1) AND (content_days <= 365))),
    CONSTRAINT tenant_currency_is_a_code CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT tenant_markup_is_in_range CHECK (((markup >= 0) AND (markup <= 100000))),
    CONSTRAINT tenant_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT tenant_region_is_a_slug CHECK ((region ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT tenant_retention_is_days CHECK (((retention_days >= 1) AND (retention_days <= 36500))),
    CONSTRAINT tenant_sign_up_domain_fits CHECK (((octet_length(sign_up_domain) >= 3) AND (octet_length(sign_up_domain) <= 253))),
    CONSTRAINT tenant_slug_is_a_slug CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT tenant_status_is_known CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'deleting'::text]))),
    CONSTRAINT tenant_time_zone_fits CHECK (((octet_length(time_zone) >= 1) AND (octet_length(time_zone) <= 64)))
);

ALTER TABLE ONLY public.tenants FORCE ROW LEVEL SECURITY;

CREATE TABLE public.usage_batches (
    node_id uuid NOT NULL,
    outbox_epoch bigint NOT NULL,
    seq bigint NOT NULL,
    sha256 bytea NOT NULL,
    event_count integer NOT NULL,
    cost_nanos bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    CONSTRAINT usage_batch_is_hashed CHECK ((octet_length(sha256) = 32))
);

CREATE TABLE public.usage_corrections (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    rerating_id uuid NOT NULL,
    started_at timestamp with time zone NOT NULL,
    workspace_id uuid NOT NULL,
    key_id uuid NOT NULL,
    route_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    model_id uuid NOT NULL,
    price_id uuid NOT NULL,
    is_own boolean NOT NULL,
    cost_nanos bigint NOT NULL,
    provider_cost_nanos bigint NOT NULL
);

ALTER TABLE ONLY public.usage_corrections FORCE ROW LEVEL SECURITY;

CREATE TABLE public.usage_days (
    tenant_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    workspace_id uuid NOT NULL,
    key_id uuid NOT NULL,
    route_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    model_id uuid NOT NULL,
    calls bigint NOT NULL,
    failed_calls bigint NOT NULL,
    estimated_calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    cost_nanos bigint NOT NULL,
    latency_us bigint NOT NULL,
    first_byte_us bigint NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.usage_days FORCE ROW LEVEL SECURITY;

CREATE TABLE public.usage_events (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    started_at timestamp with time zone NOT NULL,
    workspace_id uuid NOT NULL,
    key_id uuid NOT NULL,
    route_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    model_id uuid NOT NULL,
    price_id uuid,
    node_id uuid NOT NULL,
    endpoint text NOT NULL,
    latency_us bigint NOT NULL,
    first_byte_us bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    cost_nanos bigint NOT NULL,
    cost_state text NOT NULL,
    status_code smallint NOT NULL,
    streamed boolean NOT NULL,
    ending text NOT NULL,
    error_code text,
    attempts smallint NOT NULL,
    grants uuid[],
    purpose text DEFAULT 'call'::text NOT NULL,
    from_cache boolean DEFAULT false NOT NULL,
    guardrail_marks text
)
PARTITION BY RANGE (started_at);

ALTER TABLE ONLY public.usage_events FORCE ROW LEVEL SECURITY;

CREATE TABLE public.usage_events_default (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    started_at timestamp with time zone NOT NULL,
    workspace_id uuid NOT NULL,
    key_id uuid NOT NULL,
    route_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    model_id uuid NOT NULL,
    price_id uuid,
    node_id uuid NOT NULL,
    endpoint text NOT NULL,
    latency_us bigint NOT NULL,
    first_byte_us bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    cost_nanos bigint NOT NULL,
    cost_state text NOT NULL,
    status_code smallint NOT NULL,
    streamed boolean NOT NULL,
    ending text NOT NULL,
    error_code text,
    attempts smallint NOT NULL,
    grants uuid[],
    purpose text DEFAULT 'call'::text NOT NULL,
    from_cache boolean DEFAULT false NOT NULL,
    guardrail_marks text
);

ALTER TABLE ONLY public.usage_events_default FORCE ROW LEVEL SECURITY;

CREATE TABLE public.usage_hours (
    tenant_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    workspace_id uuid NOT NULL,
    key_id uuid NOT NULL,
    route_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    model_id uuid NOT NULL,
    calls bigint NOT NULL,
    failed_calls bigint NOT NULL,
    estimated_calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    cost_nanos bigint NOT NULL,
    latency_us bigint NOT NULL,
    first_byte_us bigint NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.usage_hours FORCE ROW LEVEL SECURITY;

CREATE TABLE public.usage_minutes (
    tenant_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    workspace_id uuid NOT NULL,
    key_id uuid NOT NULL,
    route_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    model_id uuid NOT NULL,
    calls bigint NOT NULL,
    failed_calls bigint NOT NULL,
    estimated_calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    cost_nanos bigint NOT NULL,
    latency_us bigint NOT NULL,
    first_byte_us bigint NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.usage_minutes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.usage_outcomes (
    tenant_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    route_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    model_id uuid NOT NULL,
    status_code bigint NOT NULL,
    error_code text NOT NULL,
    measure text NOT NULL,
    bucket bigint NOT NULL,
    calls bigint NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.usage_outcomes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.usage_retention (
    tenant_id uuid NOT NULL,
    events_before timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.usage_retention FORCE ROW LEVEL SECURITY;

CREATE TABLE public.usage_streams (
    node_id uuid NOT NULL,
    outbox_epoch bigint NOT NULL,
    last_seq bigint NOT NULL,
    CONSTRAINT usage_stream_is_not_negative CHECK (((outbox_epoch > 0) AND (last_seq >= 0)))
);

CREATE TABLE public.user_identities (
    tenant_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.user_identities FORCE ROW LEVEL SECURITY;

CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text,
    password_changed_at timestamp with time zone,
    status text NOT NULL,
    locale text DEFAULT 'en'::text NOT NULL,
    email_verified_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT user_email_fits CHECK (((octet_length(email) >= 3) AND (octet_length(email) <= 254))),
    CONSTRAINT user_locale_is_known CHECK ((locale = ANY (ARRAY['en'::text, 'pt-BR'::text]))),
    CONSTRAINT user_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT user_password_is_hashed CHECK ((password_hash ~~ '$argon2id$%'::text)),
    CONSTRAINT user_status_is_known CHECK ((status = ANY (ARRAY['active'::text, 'disabled'::text])))
);

CREATE TABLE public.workspaces (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT workspace_name_fits CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT workspace_slug_is_a_slug CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);

ALTER TABLE ONLY public.workspaces FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY public.usage_events ATTACH PARTITION public.usage_events_default DEFAULT;

ALTER TABLE ONLY public.alert_channels
    ADD CONSTRAINT alert_channel_name_is_unique UNIQUE (tenant_id, name);

ALTER TABLE ONLY public.alert_channels
    ADD CONSTRAINT alert_channels_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.alert_deliveries
    ADD CONSTRAINT alert_deliveries_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.alert_rules
    ADD CONSTRAINT alert_rule_name_is_unique UNIQUE (tenant_id, name);

ALTER TABLE ONLY public.alert_rules
    ADD CONSTRAINT alert_rules_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_event_is_unique UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (tenant_id, sequence);

ALTER TABLE ONLY public.audit_heads
    ADD CONSTRAINT audit_heads_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.backups
    ADD CONSTRAINT backups_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.billing_settings
    ADD CONSTRAINT billing_settings_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.bindings
    ADD CONSTRAINT binding_is_given_once UNIQUE NULLS NOT DISTINCT (tenant_id, user_id, group_id, service_account_id, workspace_id, role, role_id);

ALTER TABLE ONLY public.bindings
    ADD CONSTRAINT bindings_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.call_contents
    ADD CONSTRAINT call_contents_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.email_tokens
    ADD CONSTRAINT email_tokens_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.grant_accounts
    ADD CONSTRAINT grant_accounts_pkey PRIMARY KEY (tenant_id, limit_id, part, window_start);

ALTER TABLE ONLY public.grant_streams
    ADD CONSTRAINT grant_streams_pkey PRIMARY KEY (node_id);

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.group_members
    ADD CONSTRAINT group_members_pkey PRIMARY KEY (tenant_id, group_id, user_id);

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.guardrails
    ADD CONSTRAINT guardrail_name_is_unique UNIQUE (tenant_id, name);

ALTER TABLE ONLY public.guardrails
    ADD CONSTRAINT guardrails_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (caller_id, key);

ALTER TABLE ONLY public.identity_providers
    ADD CONSTRAINT identity_provider_name_is_unique UNIQUE (tenant_id, name);

ALTER TABLE ONLY public.identity_provider_roles
    ADD CONSTRAINT identity_provider_roles_pkey PRIMARY KEY (tenant_id, provider_id, group_name, role);

ALTER TABLE ONLY public.identity_providers
    ADD CONSTRAINT identity_providers_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitation_token_is_unique UNIQUE (token_hash);

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.invoice_lines
    ADD CONSTRAINT invoice_lines_pkey PRIMARY KEY (tenant_id, invoice_id, "position");

ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoice_number_is_unique UNIQUE (tenant_id, number);

ALTER TABLE ONLY public.invoice_numbers
    ADD CONSTRAINT invoice_numbers_pkey PRIMARY KEY (year);

ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.job_runs
    ADD CONSTRAINT job_runs_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.join_tokens
    ADD CONSTRAINT join_token_is_unique UNIQUE (token_hash);

ALTER TABLE ONLY public.join_tokens
    ADD CONSTRAINT join_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.key_tags
    ADD CONSTRAINT key_tags_pkey PRIMARY KEY (tenant_id, tag, key_id);

ALTER TABLE ONLY public.key_uses
    ADD CONSTRAINT key_uses_pkey PRIMARY KEY (tenant_id, key_id);

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT keys_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.ledger_balances
    ADD CONSTRAINT ledger_balances_pkey PRIMARY KEY (tenant_id, account);

ALTER TABLE ONLY public.ledger_days
    ADD CONSTRAINT ledger_days_pkey PRIMARY KEY (tenant_id, day, account, workspace_id);

ALTER TABLE ONLY public.ledger_entries
    ADD CONSTRAINT ledger_entries_pkey PRIMARY KEY (tenant_id, transaction_id, account, workspace_id, day);

ALTER TABLE ONLY public.ledger_proofs
    ADD CONSTRAINT ledger_proofs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ledger_transactions
    ADD CONSTRAINT ledger_transactions_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.limit_alerts
    ADD CONSTRAINT limit_alert_is_told_once UNIQUE (tenant_id, limit_id, part, window_start, threshold);

ALTER TABLE ONLY public.limit_alerts
    ADD CONSTRAINT limit_alerts_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limit_name_is_unique UNIQUE NULLS NOT DISTINCT (tenant_id, name, workspace_id, group_id, user_id, key_id);

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limits_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.mails
    ADD CONSTRAINT mails_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.management_tokens
    ADD CONSTRAINT management_tokens_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_pkey PRIMARY KEY (tenant_id, user_id);

ALTER TABLE ONLY public.models
    ADD CONSTRAINT model_name_is_unique UNIQUE (tenant_id, provider_id, name);

ALTER TABLE ONLY public.models
    ADD CONSTRAINT models_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT node_identity_is_unique UNIQUE (identity_key);

ALTER TABLE ONLY public.node_reports
    ADD CONSTRAINT node_reports_pkey PRIMARY KEY (node_id);

ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payment_counts_once UNIQUE (tenant_id, provider, event);

ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.platform_secrets
    ADD CONSTRAINT platform_secrets_pkey PRIMARY KEY (purpose, key_id);

ALTER TABLE ONLY public.prices
    ADD CONSTRAINT prices_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.provider_costs
    ADD CONSTRAINT provider_costs_pkey PRIMARY KEY (tenant_id, day, provider_id, model_id);

ALTER TABLE ONLY public.provider_credentials
    ADD CONSTRAINT provider_credentials_pkey PRIMARY KEY (tenant_id, provider_id, id);

ALTER TABLE ONLY public.providers
    ADD CONSTRAINT provider_name_is_unique UNIQUE (tenant_id, name);

ALTER TABLE ONLY public.provider_tests
    ADD CONSTRAINT provider_tests_pkey PRIMARY KEY (tenant_id, provider_id);

ALTER TABLE ONLY public.providers
    ADD CONSTRAINT providers_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.reconciliation_lines
    ADD CONSTRAINT reconciliation_lines_pkey PRIMARY KEY (reconciliation_id, "position");

ALTER TABLE ONLY public.reconciliations
    ADD CONSTRAINT reconciliations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, code_hash);

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.refusal_minutes
    ADD CONSTRAINT refusal_minutes_pkey PRIMARY KEY (tenant_id, starts_at, key_id, code);

ALTER TABLE ONLY public.refusal_samples
    ADD CONSTRAINT refusal_samples_pkey PRIMARY KEY (tenant_id, at, request_id);

ALTER TABLE ONLY public.report_schedules
    ADD CONSTRAINT report_schedule_name_is_unique UNIQUE (tenant_id, name);

ALTER TABLE ONLY public.report_schedules
    ADD CONSTRAINT report_schedules_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.reratings
    ADD CONSTRAINT reratings_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.roles
    ADD CONSTRAINT roles_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.rollouts
    ADD CONSTRAINT rollouts_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY public.routes
    ADD CONSTRAINT route_name_is_unique UNIQUE (tenant_id, name);

ALTER TABLE ONLY public.route_targets
    ADD CONSTRAINT route_targets_pkey PRIMARY KEY (tenant_id, route_id, "position");

ALTER TABLE ONLY public.routes
    ADD CONSTRAINT routes_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.scim_group_members
    ADD CONSTRAINT scim_group_members_pkey PRIMARY KEY (tenant_id, group_id, user_id);

ALTER TABLE ONLY public.scim_groups
    ADD CONSTRAINT scim_groups_pkey PRIMARY KEY (tenant_id, group_id);

ALTER TABLE ONLY public.scim_users
    ADD CONSTRAINT scim_users_pkey PRIMARY KEY (tenant_id, user_id);

ALTER TABLE ONLY public.second_factors
    ADD CONSTRAINT second_factors_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.service_accounts
    ADD CONSTRAINT service_accounts_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sign_in_challenges
    ADD CONSTRAINT sign_in_challenges_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.sign_in_failures
    ADD CONSTRAINT sign_in_failures_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY public.sign_in_flows
    ADD CONSTRAINT sign_in_flows_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.sign_up_settings
    ADD CONSTRAINT sign_up_settings_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.snapshot_changes
    ADD CONSTRAINT snapshot_changes_pkey PRIMARY KEY (tenant_id, part, changed_by);

ALTER TABLE ONLY public.snapshot_objects
    ADD CONSTRAINT snapshot_objects_pkey PRIMARY KEY (sha256);

ALTER TABLE ONLY public.snapshot_state
    ADD CONSTRAINT snapshot_state_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY public.snapshot_versions
    ADD CONSTRAINT snapshot_versions_pkey PRIMARY KEY (epoch, counter);

ALTER TABLE ONLY public.tenant_security
    ADD CONSTRAINT tenant_security_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenant_slug_is_unique UNIQUE (slug);

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.usage_batches
    ADD CONSTRAINT usage_batches_pkey PRIMARY KEY (node_id, outbox_epoch, seq);

ALTER TABLE ONLY public.usage_corrections
    ADD CONSTRAINT usage_corrections_pkey PRIMARY KEY (tenant_id, event_id, rerating_id);

ALTER TABLE ONLY public.usage_days
    ADD CONSTRAINT usage_days_pkey PRIMARY KEY (tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id);

ALTER TABLE ONLY public.usage_hours
    ADD CONSTRAINT usage_hours_pkey PRIMARY KEY (tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id);

ALTER TABLE ONLY public.usage_minutes
    ADD CONSTRAINT usage_minutes_pkey PRIMARY KEY (tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id);

ALTER TABLE ONLY public.usage_outcomes
    ADD CONSTRAINT usage_outcomes_pkey PRIMARY KEY (tenant_id, starts_at, route_id, provider_id, model_id, status_code, error_code, measure, bucket);

ALTER TABLE ONLY public.usage_retention
    ADD CONSTRAINT usage_retention_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.usage_streams
    ADD CONSTRAINT usage_streams_pkey PRIMARY KEY (node_id, outbox_epoch);

ALTER TABLE ONLY public.user_identities
    ADD CONSTRAINT user_identities_pkey PRIMARY KEY (tenant_id, provider_id, subject);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.workspaces
    ADD CONSTRAINT workspace_slug_is_unique UNIQUE (tenant_id, slug);

ALTER TABLE ONLY public.workspaces
    ADD CONSTRAINT workspaces_pkey PRIMARY KEY (tenant_id, id);

CREATE INDEX alert_deliveries_by_end ON public.alert_deliveries USING btree (finished_at) WHERE (finished_at IS NOT NULL);

CREATE INDEX alert_deliveries_waiting ON public.alert_deliveries USING btree (tenant_id, channel_id, place) WHERE (status = 'waiting'::text);

CREATE UNIQUE INDEX alert_is_open_once ON public.alerts USING btree (tenant_id, rule_id, subject) WHERE (resolved_at IS NULL);

CREATE INDEX alerts_by_end ON public.alerts USING btree (resolved_at) WHERE (resolved_at IS NOT NULL);

CREATE INDEX audit_events_by_actor ON public.audit_events USING btree (tenant_id, actor_id, sequence DESC);

CREATE INDEX audit_events_by_target ON public.audit_events USING btree (tenant_id, target_id, sequence DESC);

CREATE INDEX audit_events_by_time ON public.audit_events USING btree (tenant_id, occurred_at);

CREATE INDEX audit_events_of_actor ON public.audit_events USING btree (actor_id, id DESC);

CREATE INDEX backups_by_file ON public.backups USING btree (file);

CREATE INDEX backups_to_do ON public.backups USING btree (id) WHERE (status = ANY (ARRAY['requested'::text, 'running'::text]));

CREATE INDEX bindings_by_built_in_role ON public.bindings USING btree (tenant_id, role, id DESC) WHERE (role IS NOT NULL);

CREATE INDEX bindings_by_group ON public.bindings USING btree (tenant_id, group_id) WHERE (group_id IS NOT NULL);

CREATE INDEX bindings_by_role ON public.bindings USING btree (tenant_id, role_id) WHERE (role_id IS NOT NULL);

CREATE INDEX bindings_by_service_account ON public.bindings USING btree (service_account_id) WHERE (service_account_id IS NOT NULL);

CREATE INDEX bindings_by_user ON public.bindings USING btree (user_id);

CREATE INDEX bindings_by_workspace ON public.bindings USING btree (tenant_id, workspace_id, id DESC) WHERE (workspace_id IS NOT NULL);

CREATE INDEX call_contents_by_time ON public.call_contents USING btree (tenant_id, started_at);

CREATE INDEX email_tokens_by_expiry ON public.email_tokens USING btree (expires_at);

CREATE INDEX email_tokens_by_user ON public.email_tokens USING btree (user_id);

CREATE INDEX grant_accounts_by_end ON public.grant_accounts USING btree (window_end) WHERE (window_end IS NOT NULL);

CREATE INDEX grants_by_account ON public.grants USING btree (tenant_id, limit_id, part, window_start);

CREATE INDEX group_members_by_user ON public.group_members USING btree (user_id);

CREATE UNIQUE INDEX group_name_is_unique ON public.groups USING btree (tenant_id, lower(name));

CREATE INDEX guardrails_by_key ON public.guardrails USING btree (tenant_id, key_id) WHERE (key_id IS NOT NULL);

CREATE INDEX guardrails_by_route ON public.guardrails USING btree (tenant_id, route_id) WHERE (route_id IS NOT NULL);

CREATE INDEX guardrails_by_workspace ON public.guardrails USING btree (tenant_id, workspace_id) WHERE (workspace_id IS NOT NULL);

CREATE INDEX idempotency_keys_by_expiry ON public.idempotency_keys USING btree (expires_at);

CREATE UNIQUE INDEX identity_provider_id_is_unique ON public.identity_providers USING btree (id);

CREATE UNIQUE INDEX invitation_is_the_only_open_one ON public.invitations USING btree (tenant_id, lower(email)) WHERE (accepted_at IS NULL);

CREATE UNIQUE INDEX invoice_is_the_only_one_of_its_month ON public.invoices USING btree (tenant_id, month) WHERE (status = 'issued'::text);

CREATE UNIQUE INDEX key_public_id_is_unique ON public.keys USING btree (public_id);

CREATE INDEX key_tags_by_key ON public.key_tags USING btree (tenant_id, key_id);

CREATE INDEX keys_by_beginning ON public.keys USING btree (tenant_id, not_before) WHERE ((revoked_at IS NULL) AND (not_before IS NOT NULL));

CREATE INDEX keys_by_expiry ON public.keys USING btree (tenant_id, expires_at) WHERE ((revoked_at IS NULL) AND (expires_at IS NOT NULL));

CREATE INDEX keys_by_kind ON public.keys USING btree (tenant_id, kind, id DESC) WHERE (kind <> 'application'::text);

CREATE INDEX keys_by_name ON public.keys USING btree (tenant_id, folded_name);

CREATE INDEX keys_by_owner ON public.keys USING btree (tenant_id, owner_id, id DESC) WHERE (owner_id IS NOT NULL);

CREATE INDEX keys_by_revocation ON public.keys USING btree (revoked_at) WHERE (revoked_at IS NOT NULL);

CREATE INDEX keys_by_workspace ON public.keys USING btree (tenant_id, workspace_id, id DESC);

CREATE INDEX keys_revoked ON public.keys USING btree (tenant_id, id DESC) WHERE (revoked_at IS NOT NULL);

CREATE INDEX keys_standing ON public.keys USING btree (tenant_id, id DESC) WHERE (revoked_at IS NULL);

CREATE INDEX ledger_entries_by_day ON public.ledger_entries USING btree (tenant_id, day);

CREATE INDEX ledger_transactions_by_hand ON public.ledger_transactions USING btree (tenant_id, id DESC) WHERE (kind <> 'usage'::text);

CREATE INDEX limits_by_group ON public.limits USING btree (tenant_id, group_id) WHERE (group_id IS NOT NULL);

CREATE INDEX limits_by_key ON public.limits USING btree (tenant_id, key_id, id) WHERE (key_id IS NOT NULL);

CREATE INDEX limits_by_user ON public.limits USING btree (tenant_id, user_id) WHERE (user_id IS NOT NULL);

CREATE INDEX limits_by_workspace ON public.limits USING btree (tenant_id, workspace_id) WHERE (workspace_id IS NOT NULL);

CREATE UNIQUE INDEX limits_following_balance ON public.limits USING btree (tenant_id) WHERE follows_balance;

CREATE INDEX limits_of_tenant ON public.limits USING btree (tenant_id, id DESC) WHERE (key_id IS NULL);

CREATE INDEX mails_by_end ON public.mails USING btree (finished_at) WHERE (finished_at IS NOT NULL);

CREATE INDEX mails_waiting ON public.mails USING btree (next_attempt_at, id) WHERE (status = 'waiting'::text);

CREATE INDEX members_by_user ON public.members USING btree (user_id);

CREATE INDEX prices_by_model ON public.prices USING btree (tenant_id, model_id, effective_from DESC, id DESC);

CREATE INDEX provider_costs_by_provider ON public.provider_costs USING btree (provider_id, day);

CREATE UNIQUE INDEX refresh_token_is_the_only_open_one ON public.refresh_tokens USING btree (session_id) WHERE (used_at IS NULL);

CREATE INDEX report_schedules_by_time ON public.report_schedules USING btree (next_at) WHERE enabled;

CREATE UNIQUE INDEX role_name_is_unique ON public.roles USING btree (tenant_id, lower(name));

CREATE INDEX route_targets_by_model ON public.route_targets USING btree (model_tenant_id, model_id);

CREATE INDEX route_targets_by_route ON public.route_targets USING btree (tenant_id, target_route_id) WHERE (target_route_id IS NOT NULL);

CREATE INDEX scim_group_members_by_user ON public.scim_group_members USING btree (tenant_id, user_id);

CREATE UNIQUE INDEX scim_user_name_is_unique ON public.scim_users USING btree (tenant_id, lower(user_name));

CREATE INDEX scim_users_by_external_id ON public.scim_users USING btree (tenant_id, external_id);

CREATE UNIQUE INDEX service_account_name_is_unique ON public.service_accounts USING btree (tenant_id, lower(name));

CREATE INDEX sessions_by_user ON public.sessions USING btree (user_id, id DESC);

CREATE INDEX sign_in_challenges_by_expiry ON public.sign_in_challenges USING btree (expires_at);

CREATE INDEX sign_in_failures_by_age ON public.sign_in_failures USING btree (last_at);

CREATE INDEX sign_in_flows_by_expiry ON public.sign_in_flows USING btree (expires_at);

CREATE UNIQUE INDEX tenant_sign_up_domain_is_unique ON public.tenants USING btree (sign_up_domain) WHERE (sign_up_domain IS NOT NULL);

CREATE INDEX tenants_being_deleted ON public.tenants USING btree (id) WHERE (status = 'deleting'::text);

CREATE UNIQUE INDEX token_public_id_is_unique ON public.management_tokens USING btree (public_id);

CREATE INDEX tokens_by_service_account ON public.management_tokens USING btree (tenant_id, service_account_id, id DESC);

CREATE INDEX usage_corrections_by_rerating ON public.usage_corrections USING btree (tenant_id, rerating_id);

CREATE INDEX usage_corrections_by_time ON public.usage_corrections USING btree (tenant_id, started_at);

CREATE INDEX usage_events_by_tenant ON ONLY public.usage_events USING btree (tenant_id, started_at DESC, id DESC);

CREATE INDEX usage_events_default_tenant_id_started_at_id_idx ON public.usage_events_default USING btree (tenant_id, started_at DESC, id DESC);

CREATE INDEX usage_events_failed ON ONLY public.usage_events USING btree (tenant_id, started_at DESC, id DESC) WHERE ((error_code IS NOT NULL) OR (status_code >= 400));

CREATE INDEX usage_events_default_tenant_id_started_at_id_idx1 ON public.usage_events_default USING btree (tenant_id, started_at DESC, id DESC) WHERE ((error_code IS NOT NULL) OR (status_code >= 400));

CREATE UNIQUE INDEX user_email_is_unique ON public.users USING btree (lower(email));

CREATE INDEX user_identities_by_user ON public.user_identities USING btree (user_id);

CREATE INDEX users_by_email ON public.users USING btree (lower(email) COLLATE "C");

CREATE INDEX users_by_name ON public.users USING btree (lower(name) COLLATE "C");

CREATE INDEX users_disabled ON public.users USING btree (id DESC) WHERE (status = 'disabled'::text);

ALTER INDEX public.usage_events_by_tenant ATTACH PARTITION public.usage_events_default_tenant_id_started_at_id_idx;

ALTER INDEX public.usage_events_failed ATTACH PARTITION public.usage_events_default_tenant_id_started_at_id_idx1;

CREATE TRIGGER append_to_chain BEFORE INSERT ON public.audit_events FOR EACH ROW EXECUTE FUNCTION public.append_to_audit_chain();

CREATE TRIGGER books_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.invoice_lines FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_change_books();

CREATE TRIGGER books_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_change_books();

CREATE TRIGGER books_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_transactions FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_change_books();

CREATE TRIGGER books_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.payments FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_change_books();

CREATE TRIGGER history_stays BEFORE DELETE OR UPDATE ON public.audit_events FOR EACH ROW EXECUTE FUNCTION public.refuse_to_change_history();

CREATE TRIGGER invoice_stays BEFORE DELETE OR UPDATE ON public.invoices FOR EACH ROW EXECUTE FUNCTION public.refuse_to_change_invoice();

CREATE TRIGGER note_tags_of_changed AFTER UPDATE OF tags ON public.keys FOR EACH ROW WHEN ((new.tags IS DISTINCT FROM old.tags)) EXECUTE FUNCTION public.note_key_tags();

CREATE TRIGGER note_tags_of_new AFTER INSERT ON public.keys FOR EACH ROW WHEN ((new.tags <> '{}'::text[])) EXECUTE FUNCTION public.note_key_tags();

CREATE TRIGGER open_grant_stream AFTER INSERT ON public.nodes FOR EACH ROW EXECUTE FUNCTION public.open_grant_stream();

CREATE TRIGGER personal_key_needs_its_owner BEFORE UPDATE ON public.keys FOR EACH ROW WHEN (((new.kind = 'personal'::text) AND (new.owner_id IS NULL))) EXECUTE FUNCTION public.revoke_without_its_owner();

CREATE TRIGGER post_entries AFTER INSERT ON public.ledger_entries REFERENCING NEW TABLE AS posted FOR EACH STATEMENT EXECUTE FUNCTION public.post_ledger_entries();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE ON public.group_members FOR EACH ROW EXECUTE FUNCTION public.stamp_group_member();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE OR UPDATE ON public.guardrails FOR EACH ROW EXECUTE FUNCTION public.stamp_row_of_tenant();

CREATE TRIGGER stamp_change AFTER INSERT ON public.keys REFERENCING NEW TABLE AS changed_keys FOR EACH STATEMENT EXECUTE FUNCTION public.stamp_keys();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE OR UPDATE ON public.limits FOR EACH ROW EXECUTE FUNCTION public.stamp_limit();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE OR UPDATE ON public.models FOR EACH ROW EXECUTE FUNCTION public.stamp_row_of_tenant();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE OR UPDATE ON public.prices FOR EACH ROW EXECUTE FUNCTION public.stamp_row_of_tenant();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE OR UPDATE ON public.provider_credentials FOR EACH ROW EXECUTE FUNCTION public.stamp_row_of_tenant();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE OR UPDATE ON public.providers FOR EACH ROW EXECUTE FUNCTION public.stamp_row_of_tenant();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE OR UPDATE ON public.route_targets FOR EACH ROW EXECUTE FUNCTION public.stamp_row_of_tenant();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE OR UPDATE ON public.routes FOR EACH ROW EXECUTE FUNCTION public.stamp_row_of_tenant();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE OR UPDATE ON public.tenants FOR EACH ROW EXECUTE FUNCTION public.stamp_tenant();

CREATE TRIGGER stamp_change AFTER INSERT OR DELETE OR UPDATE ON public.workspaces FOR EACH ROW EXECUTE FUNCTION public.stamp_row_of_tenant();

CREATE TRIGGER stamp_change_deleted AFTER DELETE ON public.keys REFERENCING OLD TABLE AS changed_keys FOR EACH STATEMENT EXECUTE FUNCTION public.stamp_keys();

CREATE TRIGGER stamp_change_updated AFTER UPDATE ON public.keys REFERENCING OLD TABLE AS old_keys NEW TABLE AS new_keys FOR EACH STATEMENT EXECUTE FUNCTION public.stamp_updated_keys();

CREATE TRIGGER wake_node_listeners AFTER UPDATE OF status ON public.nodes FOR EACH STATEMENT EXECUTE FUNCTION public.wake_node_listeners();

CREATE TRIGGER wake_publisher AFTER INSERT OR UPDATE ON public.platform_secrets FOR EACH STATEMENT EXECUTE FUNCTION public.wake_publisher();

CREATE TRIGGER wake_publisher AFTER UPDATE ON public.rollouts FOR EACH STATEMENT EXECUTE FUNCTION public.wake_publisher();

ALTER TABLE ONLY public.alert_channels
    ADD CONSTRAINT alert_channel_is_of_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.alert_deliveries
    ADD CONSTRAINT alert_delivery_has_a_channel FOREIGN KEY (tenant_id, channel_id) REFERENCES public.alert_channels(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alert_is_of_a_rule FOREIGN KEY (tenant_id, rule_id) REFERENCES public.alert_rules(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alert_rules
    ADD CONSTRAINT alert_rule_is_of_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.alert_rules
    ADD CONSTRAINT alert_rule_limit_exists FOREIGN KEY (tenant_id, limit_id) REFERENCES public.limits(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alert_rules
    ADD CONSTRAINT alert_rule_route_exists FOREIGN KEY (tenant_id, route_id) REFERENCES public.routes(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alert_rules
    ADD CONSTRAINT alert_rule_workspace_exists FOREIGN KEY (tenant_id, workspace_id) REFERENCES public.workspaces(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.billing_settings
    ADD CONSTRAINT billing_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.billing_settings
    ADD CONSTRAINT billing_limit_exists FOREIGN KEY (tenant_id, limit_id) REFERENCES public.limits(tenant_id, id);

ALTER TABLE ONLY public.bindings
    ADD CONSTRAINT binding_account_exists FOREIGN KEY (tenant_id, service_account_id) REFERENCES public.service_accounts(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.bindings
    ADD CONSTRAINT binding_group_exists FOREIGN KEY (tenant_id, group_id) REFERENCES public.groups(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.bindings
    ADD CONSTRAINT binding_is_of_a_member FOREIGN KEY (tenant_id, user_id) REFERENCES public.members(tenant_id, user_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.bindings
    ADD CONSTRAINT binding_role_exists FOREIGN KEY (tenant_id, role_id) REFERENCES public.roles(tenant_id, id);

ALTER TABLE ONLY public.bindings
    ADD CONSTRAINT binding_workspace_exists FOREIGN KEY (tenant_id, workspace_id) REFERENCES public.workspaces(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.provider_credentials
    ADD CONSTRAINT credential_is_of_a_provider FOREIGN KEY (tenant_id, provider_id) REFERENCES public.providers(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.email_tokens
    ADD CONSTRAINT email_token_is_of_a_user FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.grant_accounts
    ADD CONSTRAINT grant_account_is_of_a_limit FOREIGN KEY (tenant_id, limit_id) REFERENCES public.limits(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grant_is_of_a_node FOREIGN KEY (node_id) REFERENCES public.nodes(id);

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grant_is_of_an_account FOREIGN KEY (tenant_id, limit_id, part, window_start) REFERENCES public.grant_accounts(tenant_id, limit_id, part, window_start) ON DELETE CASCADE;

ALTER TABLE ONLY public.grant_streams
    ADD CONSTRAINT grant_stream_is_of_a_node FOREIGN KEY (node_id) REFERENCES public.nodes(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT group_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.group_members
    ADD CONSTRAINT group_member_is_a_member FOREIGN KEY (tenant_id, user_id) REFERENCES public.members(tenant_id, user_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.group_members
    ADD CONSTRAINT group_member_is_of_a_group FOREIGN KEY (tenant_id, group_id) REFERENCES public.groups(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.guardrails
    ADD CONSTRAINT guardrail_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.guardrails
    ADD CONSTRAINT guardrail_key_exists FOREIGN KEY (tenant_id, key_id) REFERENCES public.keys(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.guardrails
    ADD CONSTRAINT guardrail_route_exists FOREIGN KEY (tenant_id, route_id) REFERENCES public.routes(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.guardrails
    ADD CONSTRAINT guardrail_workspace_exists FOREIGN KEY (tenant_id, workspace_id) REFERENCES public.workspaces(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.identity_providers
    ADD CONSTRAINT identity_provider_is_of_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.identity_provider_roles
    ADD CONSTRAINT identity_provider_role_is_of_one FOREIGN KEY (tenant_id, provider_id) REFERENCES public.identity_providers(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitation_is_by_a_user FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitation_is_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitation_workspace_exists FOREIGN KEY (tenant_id, workspace_id) REFERENCES public.workspaces(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.invoice_lines
    ADD CONSTRAINT invoice_line_is_of_an_invoice FOREIGN KEY (tenant_id, invoice_id) REFERENCES public.invoices(tenant_id, id);

ALTER TABLE ONLY public.join_tokens
    ADD CONSTRAINT join_token_is_used_by_a_node FOREIGN KEY (used_by) REFERENCES public.nodes(id);

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT key_belongs_to_a_workspace FOREIGN KEY (tenant_id, workspace_id) REFERENCES public.workspaces(tenant_id, id);

ALTER TABLE ONLY public.key_tags
    ADD CONSTRAINT key_of_a_tag_exists FOREIGN KEY (tenant_id, key_id) REFERENCES public.keys(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT key_owner_is_a_member FOREIGN KEY (tenant_id, owner_id) REFERENCES public.members(tenant_id, user_id) ON DELETE SET NULL (owner_id);

ALTER TABLE ONLY public.limit_alerts
    ADD CONSTRAINT limit_alert_is_of_a_limit FOREIGN KEY (tenant_id, limit_id) REFERENCES public.limits(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limit_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limit_group_exists FOREIGN KEY (tenant_id, group_id) REFERENCES public.groups(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limit_key_exists FOREIGN KEY (tenant_id, key_id) REFERENCES public.keys(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limit_user_is_a_member FOREIGN KEY (tenant_id, user_id) REFERENCES public.members(tenant_id, user_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT limit_workspace_exists FOREIGN KEY (tenant_id, workspace_id) REFERENCES public.workspaces(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.reconciliation_lines
    ADD CONSTRAINT line_is_of_a_reconciliation FOREIGN KEY (reconciliation_id) REFERENCES public.reconciliations(id);

ALTER TABLE ONLY public.members
    ADD CONSTRAINT member_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.members
    ADD CONSTRAINT member_is_a_user FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.models
    ADD CONSTRAINT model_is_of_a_provider FOREIGN KEY (tenant_id, provider_id) REFERENCES public.providers(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.node_reports
    ADD CONSTRAINT node_report_is_of_a_node FOREIGN KEY (node_id) REFERENCES public.nodes(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.prices
    ADD CONSTRAINT price_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.providers
    ADD CONSTRAINT provider_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_code_is_of_a_factor FOREIGN KEY (user_id) REFERENCES public.second_factors(user_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_token_is_of_a_session FOREIGN KEY (session_id) REFERENCES public.sessions(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.report_schedules
    ADD CONSTRAINT report_schedule_is_of_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.roles
    ADD CONSTRAINT role_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.routes
    ADD CONSTRAINT route_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.scim_groups
    ADD CONSTRAINT scim_group_is_a_group FOREIGN KEY (tenant_id, group_id) REFERENCES public.groups(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.scim_group_members
    ADD CONSTRAINT scim_member_is_a_scim_user FOREIGN KEY (tenant_id, user_id) REFERENCES public.scim_users(tenant_id, user_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.scim_group_members
    ADD CONSTRAINT scim_member_is_of_a_group FOREIGN KEY (tenant_id, group_id) REFERENCES public.scim_groups(tenant_id, group_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.scim_users
    ADD CONSTRAINT scim_user_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.scim_users
    ADD CONSTRAINT scim_user_is_a_user FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.second_factors
    ADD CONSTRAINT second_factor_is_of_a_user FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.service_accounts
    ADD CONSTRAINT service_account_is_of_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT session_counts_in_a_tenant FOREIGN KEY (only_tenant) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT session_is_of_a_user FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sign_in_challenges
    ADD CONSTRAINT sign_in_challenge_is_in_a_tenant FOREIGN KEY (only_tenant) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sign_in_challenges
    ADD CONSTRAINT sign_in_challenge_is_of_a_user FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.route_targets
    ADD CONSTRAINT target_is_of_a_route FOREIGN KEY (tenant_id, route_id) REFERENCES public.routes(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.route_targets
    ADD CONSTRAINT target_model_exists FOREIGN KEY (model_tenant_id, model_id) REFERENCES public.models(tenant_id, id);

ALTER TABLE ONLY public.route_targets
    ADD CONSTRAINT target_route_exists FOREIGN KEY (tenant_id, target_route_id) REFERENCES public.routes(tenant_id, id);

ALTER TABLE ONLY public.tenant_security
    ADD CONSTRAINT tenant_security_is_of_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.provider_tests
    ADD CONSTRAINT test_is_of_a_provider FOREIGN KEY (tenant_id, provider_id) REFERENCES public.providers(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.management_tokens
    ADD CONSTRAINT token_is_of_a_service_account FOREIGN KEY (tenant_id, service_account_id) REFERENCES public.service_accounts(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.usage_batches
    ADD CONSTRAINT usage_batch_is_of_a_stream FOREIGN KEY (node_id, outbox_epoch) REFERENCES public.usage_streams(node_id, outbox_epoch);

ALTER TABLE ONLY public.user_identities
    ADD CONSTRAINT user_identity_is_at_a_provider FOREIGN KEY (tenant_id, provider_id) REFERENCES public.identity_providers(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.user_identities
    ADD CONSTRAINT user_identity_is_of_a_user FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.workspaces
    ADD CONSTRAINT workspace_belongs_to_a_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);

ALTER TABLE public.alert_channels ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.alert_deliveries ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.alert_rules ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.alerts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.audit_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.audit_heads ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.billing_settings ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.bindings ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.call_contents ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.grant_accounts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.grants ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.group_members ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.groups ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.guardrails ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.identity_provider_roles ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.identity_providers ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.invitations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.invoice_lines ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.key_tags ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.key_uses ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_balances ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_days ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_entries ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_transactions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.limit_alerts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.limits ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.management_tokens ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.members ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.models ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments ENABLE ROW LEVEL SECURITY;

CREATE POLICY platform_is_shared ON public.models FOR SELECT USING ((tenant_id = '00000000-0000-0000-0000-000000000000'::uuid));

CREATE POLICY platform_is_shared ON public.prices FOR SELECT USING ((tenant_id = '00000000-0000-0000-0000-000000000000'::uuid));

CREATE POLICY platform_is_shared ON public.providers FOR SELECT USING ((tenant_id = '00000000-0000-0000-0000-000000000000'::uuid));

ALTER TABLE public.prices ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.provider_costs ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.provider_credentials ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.provider_tests ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.providers ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.refusal_minutes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.refusal_samples ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.report_schedules ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.reratings ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.roles ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.route_targets ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.routes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.scim_group_members ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.scim_groups ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.scim_users ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.service_accounts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.snapshot_changes ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_isolation ON public.alert_channels USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.alert_deliveries USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.alert_rules USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.alerts USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.audit_events USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.audit_heads USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.billing_settings USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.bindings USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.call_contents USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.grant_accounts USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.grants USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.group_members USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.groups USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.guardrails USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.identity_provider_roles USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.identity_providers USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.invitations USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.invoice_lines USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.invoices USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.key_tags USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.key_uses USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.keys USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.ledger_balances USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.ledger_days USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.ledger_entries USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.ledger_transactions USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.limit_alerts USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.limits USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.management_tokens USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.members USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.models USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.payments USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.prices USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.provider_costs USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.provider_credentials USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.provider_tests USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.providers USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.refusal_minutes USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.refusal_samples USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.report_schedules USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.reratings USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.roles USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.route_targets USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.routes USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.scim_group_members USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.scim_groups USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.scim_users USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.service_accounts USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.snapshot_changes USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.tenant_security USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.tenants USING ((id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.usage_corrections USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.usage_days USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.usage_events USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.usage_hours USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.usage_minutes USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.usage_outcomes USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.usage_retention USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.user_identities USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

CREATE POLICY tenant_isolation ON public.workspaces USING ((tenant_id = ( SELECT public.current_tenant() AS current_tenant)));

ALTER TABLE public.tenant_security ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_corrections ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_days ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_events_default ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_hours ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_minutes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_outcomes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_retention ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.user_identities ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.workspaces ENABLE ROW LEVEL SECURITY;

GRANT SELECT,INSERT ON TABLE public.audit_events TO eclusa_app;
GRANT SELECT ON TABLE public.audit_events TO eclusa_reports;

REVOKE ALL ON FUNCTION public.create_usage_partition(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION public.create_usage_partition(day date) TO eclusa_ingest;

REVOKE ALL ON FUNCTION public.drop_usage_partition(day date, keeping uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.drop_usage_partition(day date, keeping uuid[]) TO eclusa_ingest;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.prices TO eclusa_app;
GRANT SELECT ON TABLE public.prices TO eclusa_publisher;
GRANT SELECT ON TABLE public.prices TO eclusa_ingest;
GRANT SELECT ON TABLE public.prices TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.alert_channels TO eclusa_app;

GRANT SELECT(tenant_id) ON TABLE public.alert_channels TO eclusa_reports;

GRANT SELECT(id) ON TABLE public.alert_channels TO eclusa_reports;

GRANT SELECT(quiet_from) ON TABLE public.alert_channels TO eclusa_reports;

GRANT SELECT(quiet_to) ON TABLE public.alert_channels TO eclusa_reports;

GRANT SELECT(time_zone) ON TABLE public.alert_channels TO eclusa_reports;

GRANT SELECT(enabled) ON TABLE public.alert_channels TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.alert_deliveries TO eclusa_app;

GRANT SELECT(tenant_id) ON TABLE public.alert_deliveries TO eclusa_reports;

GRANT SELECT(id) ON TABLE public.alert_deliveries TO eclusa_reports;

GRANT SELECT(place) ON TABLE public.alert_deliveries TO eclusa_reports;

GRANT SELECT(channel_id) ON TABLE public.alert_deliveries TO eclusa_reports;

GRANT SELECT(event) ON TABLE public.alert_deliveries TO eclusa_reports;

GRANT SELECT(severity) ON TABLE public.alert_deliveries TO eclusa_reports;

GRANT SELECT(status) ON TABLE public.alert_deliveries TO eclusa_reports;

GRANT SELECT(next_attempt_at) ON TABLE public.alert_deliveries TO eclusa_reports;

GRANT SELECT(finished_at) ON TABLE public.alert_deliveries TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.alert_rules TO eclusa_app;

GRANT SELECT(tenant_id) ON TABLE public.alert_rules TO eclusa_reports;

GRANT SELECT(id) ON TABLE public.alert_rules TO eclusa_reports;

GRANT SELECT(enabled) ON TABLE public.alert_rules TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.alerts TO eclusa_app;

GRANT SELECT(tenant_id) ON TABLE public.alerts TO eclusa_reports;

GRANT SELECT(resolved_at) ON TABLE public.alerts TO eclusa_reports;

GRANT SELECT,INSERT,UPDATE ON TABLE public.audit_heads TO eclusa_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.backups TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.billing_settings TO eclusa_app;
GRANT SELECT ON TABLE public.billing_settings TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.bindings TO eclusa_app;
GRANT SELECT ON TABLE public.bindings TO eclusa_reports;

GRANT SELECT,DELETE,UPDATE ON TABLE public.call_contents TO eclusa_app;
GRANT INSERT ON TABLE public.call_contents TO eclusa_publisher;
GRANT SELECT,DELETE ON TABLE public.call_contents TO eclusa_ingest;

GRANT SELECT,INSERT,DELETE ON TABLE public.email_tokens TO eclusa_app;

GRANT SELECT,UPDATE ON TABLE public.grant_accounts TO eclusa_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.grant_accounts TO eclusa_publisher;

GRANT SELECT,INSERT,UPDATE ON TABLE public.grant_streams TO eclusa_publisher;

GRANT SELECT,UPDATE ON TABLE public.grants TO eclusa_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.grants TO eclusa_publisher;
GRANT SELECT,UPDATE ON TABLE public.grants TO eclusa_ingest;
GRANT SELECT ON TABLE public.grants TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.group_members TO eclusa_app;
GRANT SELECT ON TABLE public.group_members TO eclusa_reports;
GRANT SELECT ON TABLE public.group_members TO eclusa_publisher;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.groups TO eclusa_app;
GRANT SELECT ON TABLE public.groups TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.guardrails TO eclusa_app;
GRANT SELECT,UPDATE ON TABLE public.guardrails TO eclusa_publisher;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_keys TO eclusa_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.identity_provider_roles TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.identity_providers TO eclusa_app;

GRANT SELECT(tenant_id) ON TABLE public.identity_providers TO eclusa_reports;

GRANT SELECT(id) ON TABLE public.identity_providers TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.invitations TO eclusa_app;

GRANT SELECT,INSERT ON TABLE public.invoice_lines TO eclusa_app;
GRANT SELECT ON TABLE public.invoice_lines TO eclusa_reports;

GRANT SELECT,INSERT,UPDATE ON TABLE public.invoice_numbers TO eclusa_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.invoices TO eclusa_app;
GRANT SELECT ON TABLE public.invoices TO eclusa_reports;

GRANT SELECT,INSERT,UPDATE ON TABLE public.job_runs TO eclusa_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.join_tokens TO eclusa_app;
GRANT SELECT,UPDATE ON TABLE public.join_tokens TO eclusa_publisher;

GRANT SELECT,INSERT,DELETE ON TABLE public.key_tags TO eclusa_app;

GRANT SELECT,DELETE ON TABLE public.key_uses TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.key_uses TO eclusa_ingest;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.keys TO eclusa_app;
GRANT SELECT ON TABLE public.keys TO eclusa_publisher;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_balances TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_balances TO eclusa_ingest;
GRANT SELECT ON TABLE public.ledger_balances TO eclusa_publisher;
GRANT SELECT ON TABLE public.ledger_balances TO eclusa_reports;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_days TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_days TO eclusa_ingest;
GRANT SELECT ON TABLE public.ledger_days TO eclusa_reports;

GRANT SELECT,INSERT ON TABLE public.ledger_entries TO eclusa_app;
GRANT INSERT ON TABLE public.ledger_entries TO eclusa_ingest;
GRANT SELECT ON TABLE public.ledger_entries TO eclusa_reports;

GRANT SELECT,INSERT ON TABLE public.ledger_proofs TO eclusa_app;

GRANT SELECT,INSERT ON TABLE public.ledger_transactions TO eclusa_app;
GRANT INSERT ON TABLE public.ledger_transactions TO eclusa_ingest;
GRANT SELECT ON TABLE public.ledger_transactions TO eclusa_reports;

GRANT SELECT ON TABLE public.limit_alerts TO eclusa_app;
GRANT SELECT,INSERT,DELETE ON TABLE public.limit_alerts TO eclusa_publisher;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.limits TO eclusa_app;
GRANT SELECT ON TABLE public.limits TO eclusa_publisher;
GRANT SELECT ON TABLE public.limits TO eclusa_ingest;
GRANT SELECT ON TABLE public.limits TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.mails TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.management_tokens TO eclusa_app;

GRANT SELECT(tenant_id) ON TABLE public.management_tokens TO eclusa_reports;

GRANT SELECT(id) ON TABLE public.management_tokens TO eclusa_reports;

GRANT SELECT(service_account_id) ON TABLE public.management_tokens TO eclusa_reports;

GRANT SELECT(public_id) ON TABLE public.management_tokens TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.members TO eclusa_app;
GRANT SELECT ON TABLE public.members TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.models TO eclusa_app;
GRANT SELECT ON TABLE public.models TO eclusa_publisher;

GRANT SELECT ON TABLE public.node_reports TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.node_reports TO eclusa_publisher;

GRANT SELECT,UPDATE ON TABLE public.nodes TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.nodes TO eclusa_publisher;

GRANT SELECT,INSERT ON TABLE public.payments TO eclusa_app;
GRANT SELECT ON TABLE public.payments TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.platform_secrets TO eclusa_app;
GRANT SELECT ON TABLE public.platform_secrets TO eclusa_publisher;

GRANT SELECT,INSERT,UPDATE ON TABLE public.provider_costs TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.provider_costs TO eclusa_ingest;
GRANT SELECT ON TABLE public.provider_costs TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_credentials TO eclusa_app;
GRANT SELECT,UPDATE ON TABLE public.provider_credentials TO eclusa_publisher;

GRANT SELECT(tenant_id) ON TABLE public.provider_credentials TO eclusa_reports;

GRANT SELECT(provider_id) ON TABLE public.provider_credentials TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_tests TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.providers TO eclusa_app;
GRANT SELECT ON TABLE public.providers TO eclusa_publisher;

GRANT SELECT,INSERT ON TABLE public.reconciliation_lines TO eclusa_app;

GRANT SELECT,INSERT ON TABLE public.reconciliations TO eclusa_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.recovery_codes TO eclusa_app;

GRANT SELECT(user_id) ON TABLE public.recovery_codes TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.refresh_tokens TO eclusa_app;

GRANT SELECT,DELETE ON TABLE public.refusal_minutes TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.refusal_minutes TO eclusa_ingest;
GRANT SELECT ON TABLE public.refusal_minutes TO eclusa_reports;

GRANT SELECT,DELETE ON TABLE public.refusal_samples TO eclusa_app;
GRANT INSERT ON TABLE public.refusal_samples TO eclusa_ingest;
GRANT SELECT ON TABLE public.refusal_samples TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.report_schedules TO eclusa_app;

GRANT SELECT(tenant_id) ON TABLE public.report_schedules TO eclusa_reports;

GRANT SELECT(id) ON TABLE public.report_schedules TO eclusa_reports;

GRANT SELECT(enabled) ON TABLE public.report_schedules TO eclusa_reports;

GRANT SELECT(next_at) ON TABLE public.report_schedules TO eclusa_reports;

GRANT SELECT,INSERT,DELETE ON TABLE public.reratings TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.roles TO eclusa_app;
GRANT SELECT ON TABLE public.roles TO eclusa_reports;

GRANT SELECT,UPDATE ON TABLE public.rollouts TO eclusa_publisher;
GRANT SELECT,UPDATE ON TABLE public.rollouts TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.route_targets TO eclusa_app;
GRANT SELECT ON TABLE public.route_targets TO eclusa_publisher;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.routes TO eclusa_app;
GRANT SELECT ON TABLE public.routes TO eclusa_publisher;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.scim_group_members TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.scim_groups TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.scim_users TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.second_factors TO eclusa_app;

GRANT SELECT(user_id) ON TABLE public.second_factors TO eclusa_reports;

GRANT SELECT(confirmed_at) ON TABLE public.second_factors TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.service_accounts TO eclusa_app;
GRANT SELECT ON TABLE public.service_accounts TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sessions TO eclusa_app;
GRANT SELECT ON TABLE public.sessions TO eclusa_reports;

GRANT SELECT,INSERT,DELETE ON TABLE public.sign_in_challenges TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sign_in_failures TO eclusa_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.sign_in_flows TO eclusa_app;

GRANT SELECT,UPDATE ON TABLE public.sign_up_settings TO eclusa_app;

GRANT INSERT ON TABLE public.snapshot_changes TO eclusa_app;
GRANT SELECT,INSERT,DELETE ON TABLE public.snapshot_changes TO eclusa_publisher;

GRANT SELECT,INSERT,DELETE ON TABLE public.snapshot_objects TO eclusa_publisher;
GRANT SELECT ON TABLE public.snapshot_objects TO eclusa_app;

GRANT SELECT,UPDATE ON TABLE public.snapshot_state TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.snapshot_state TO eclusa_publisher;

GRANT SELECT ON TABLE public.snapshot_versions TO eclusa_app;
GRANT SELECT,INSERT,DELETE ON TABLE public.snapshot_versions TO eclusa_publisher;

GRANT SELECT,INSERT,UPDATE ON TABLE public.tenant_security TO eclusa_app;
GRANT SELECT ON TABLE public.tenant_security TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.tenants TO eclusa_app;
GRANT SELECT ON TABLE public.tenants TO eclusa_publisher;
GRANT SELECT ON TABLE public.tenants TO eclusa_reports;

GRANT SELECT(id) ON TABLE public.tenants TO eclusa_ingest;

GRANT SELECT(retention_days) ON TABLE public.tenants TO eclusa_ingest;

GRANT SELECT(content_days) ON TABLE public.tenants TO eclusa_ingest;

GRANT SELECT,INSERT,DELETE ON TABLE public.usage_batches TO eclusa_ingest;

GRANT SELECT,INSERT,DELETE ON TABLE public.usage_corrections TO eclusa_app;
GRANT SELECT ON TABLE public.usage_corrections TO eclusa_reports;
GRANT SELECT,DELETE ON TABLE public.usage_corrections TO eclusa_ingest;

GRANT SELECT,DELETE ON TABLE public.usage_days TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.usage_days TO eclusa_ingest;
GRANT SELECT ON TABLE public.usage_days TO eclusa_reports;

GRANT UPDATE(cost_nanos) ON TABLE public.usage_days TO eclusa_app;

GRANT SELECT,DELETE ON TABLE public.usage_events TO eclusa_app;
GRANT SELECT,INSERT,DELETE ON TABLE public.usage_events TO eclusa_ingest;
GRANT SELECT ON TABLE public.usage_events TO eclusa_reports;

GRANT SELECT(tenant_id) ON TABLE public.usage_events TO eclusa_ingest;

GRANT SELECT(id) ON TABLE public.usage_events TO eclusa_ingest;

GRANT SELECT(started_at) ON TABLE public.usage_events TO eclusa_ingest;

GRANT SELECT,DELETE ON TABLE public.usage_hours TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.usage_hours TO eclusa_ingest;
GRANT SELECT ON TABLE public.usage_hours TO eclusa_reports;

GRANT UPDATE(cost_nanos) ON TABLE public.usage_hours TO eclusa_app;

GRANT SELECT,DELETE ON TABLE public.usage_minutes TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.usage_minutes TO eclusa_ingest;
GRANT SELECT ON TABLE public.usage_minutes TO eclusa_reports;

GRANT UPDATE(cost_nanos) ON TABLE public.usage_minutes TO eclusa_app;

GRANT SELECT,DELETE ON TABLE public.usage_outcomes TO eclusa_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.usage_outcomes TO eclusa_ingest;

GRANT SELECT ON TABLE public.usage_retention TO eclusa_reports;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.usage_retention TO eclusa_ingest;
GRANT SELECT,DELETE ON TABLE public.usage_retention TO eclusa_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.usage_streams TO eclusa_ingest;

GRANT SELECT,INSERT,UPDATE ON TABLE public.user_identities TO eclusa_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.users TO eclusa_app;

GRANT SELECT(id) ON TABLE public.users TO eclusa_reports;

GRANT SELECT(email) ON TABLE public.users TO eclusa_reports;

GRANT SELECT(name) ON TABLE public.users TO eclusa_reports;

GRANT SELECT(status) ON TABLE public.users TO eclusa_reports;

GRANT SELECT(locale) ON TABLE public.users TO eclusa_reports;

GRANT SELECT(email_verified_at) ON TABLE public.users TO eclusa_reports;

GRANT SELECT(created_at) ON TABLE public.users TO eclusa_reports;

GRANT SELECT(updated_at) ON TABLE public.users TO eclusa_reports;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workspaces TO eclusa_app;
GRANT SELECT ON TABLE public.workspaces TO eclusa_publisher;
GRANT SELECT ON TABLE public.workspaces TO eclusa_reports;
