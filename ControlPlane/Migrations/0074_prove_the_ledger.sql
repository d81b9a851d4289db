-- Up to when a tenant's single calls were deleted, by its retention: sums and books stay.
create table usage_retention (
    tenant_id      uuid         not null,
    events_before  timestamptz  not null,

    constraint usage_retention_pkey            primary key (tenant_id)
);

select isolate_by_tenant('usage_retention');

create table ledger_proofs (
    id            uuid         not null,
    starts_on     date         not null,
    ends_on       date         not null,             -- the last day
    started_at    timestamptz  not null,
    finished_at   timestamptz  not null,
    requested_by  uuid,                              -- null: the schedule
    differences   bigint       not null,
    findings      jsonb        not null,             -- the first of them

    constraint ledger_proofs_pkey              primary key (id)
);

-- Everything that does not agree for days from one to another: calls with their sums by minute, hour and day,
-- those with the books, the books with themselves and with zero, and budgets with the calls they settled.
-- Nothing: the books hold. One statement, so it sees one moment.
create function prove_ledger(first date, last date)
returns table (tenant_id uuid, day date, what text, expected numeric, found numeric)
language sql stable as $$
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

grant select, insert on ledger_proofs to eclusa_app;
grant select on usage_events, grants, usage_retention to eclusa_reports;
grant select, insert, update, delete on usage_retention to eclusa_ingest;
grant select, delete on usage_retention to eclusa_app;
