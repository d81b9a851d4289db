-- The double-entry ledger: what every tenant owes and owns, in nano-USD. Append-only; every transaction sums to
-- zero. No foreign keys: books outlive what they name.
create table ledger_transactions (
    tenant_id  uuid         not null,
    id         uuid         not null,
    kind       text         not null,              -- usage, correction, payment, credit or adjustment
    posted_at  timestamptz  not null,
    reason     text         not null default '',
    reference  text,                               -- what it comes from, as everywhere outside: rerate_01h…
    posted_by  uuid,                               -- null: the program

    constraint ledger_transactions_pkey        primary key (tenant_id, id),
    constraint ledger_kind_is_known            check (kind in ('usage', 'correction', 'payment', 'credit',
                                                               'adjustment')),
    constraint ledger_reason_fits              check (octet_length(reason) <= 1000)
);

-- Usage has a transaction for each batch; people look for the others.
create index ledger_transactions_by_hand on ledger_transactions (tenant_id, id desc) where kind <> 'usage';

create table ledger_entries (
    tenant_id       uuid    not null,
    transaction_id  uuid    not null,
    account         text    not null,
    workspace_id    uuid    not null,              -- zero: of no workspace
    day             date    not null,              -- the one it counts for (UTC), not the one it came in
    amount_nanos    bigint  not null,

    constraint ledger_entries_pkey             primary key (tenant_id, transaction_id, account, workspace_id,
                                                            day),
    constraint ledger_account_is_known         check (account in ('balance', 'usage', 'own_usage',
                                                                  'own_providers', 'provider_costs',
                                                                  'providers', 'payments', 'credits',
                                                                  'adjustments'))
);

create index ledger_entries_by_day on ledger_entries (tenant_id, day);

-- Sums of the entries, kept by their trigger: by day for statements, over all time for balances.
create table ledger_days (
    tenant_id     uuid    not null,
    day           date    not null,
    account       text    not null,
    workspace_id  uuid    not null,
    amount_nanos  bigint  not null,

    constraint ledger_days_pkey                primary key (tenant_id, day, account, workspace_id)
) with (fillfactor = 70);

create table ledger_balances (
    tenant_id     uuid    not null,
    account       text    not null,
    amount_nanos  bigint  not null,

    constraint ledger_balances_pkey            primary key (tenant_id, account)
) with (fillfactor = 70);

-- What calls cost at the providers' prices, without markup: what their invoices are held against.
create table provider_costs (
    tenant_id     uuid    not null,
    day           date    not null,
    provider_id   uuid    not null,
    model_id      uuid    not null,
    amount_nanos  bigint  not null,

    constraint provider_costs_pkey             primary key (tenant_id, day, provider_id, model_id)
) with (fillfactor = 70);

create index provider_costs_by_provider on provider_costs (provider_id, day);

-- All entries of a transaction come in one statement, which is what makes this check cheap.
create function post_ledger_entries() returns trigger language plpgsql as $$
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

create trigger post_entries after insert on ledger_entries
    referencing new table as posted for each statement execute function post_ledger_entries();

create function refuse_to_change_books() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is only added to' using errcode = 'insufficient_privilege';
end
$$;

create trigger books_stay before update or delete or truncate on ledger_transactions
    for each statement execute function refuse_to_change_books();
create trigger books_stay before update or delete or truncate on ledger_entries
    for each statement execute function refuse_to_change_books();

select isolate_by_tenant(guarded)
  from unnest(array['ledger_transactions', 'ledger_entries', 'ledger_days', 'ledger_balances',
                    'provider_costs']::regclass[]) as guarded;

grant select, insert on ledger_transactions, ledger_entries to eclusa_app;
grant insert on ledger_transactions, ledger_entries to eclusa_ingest;
grant select, insert, update on ledger_days, ledger_balances, provider_costs to eclusa_app, eclusa_ingest;
grant select on ledger_balances to eclusa_publisher;
grant select on ledger_transactions, ledger_entries, ledger_days, ledger_balances, provider_costs
   to eclusa_reports;
-- Ingest finds out whose price a call was rated with, and what it costs at the provider.
grant select on prices to eclusa_ingest, eclusa_reports;
