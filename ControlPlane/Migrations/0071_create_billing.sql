-- How a tenant pays and what stands on its invoices; of the platform's own row: who issues them.
create table billing_settings (
    tenant_id   uuid         not null,
    mode        text         not null default 'postpaid',
    limit_id    uuid,                              -- of a prepaid tenant: the budget that follows its balance
    name        text         not null default '',
    address     text         not null default '',
    email       text,
    tax_number  text         not null default '',
    updated_at  timestamptz  not null,

    constraint billing_settings_pkey           primary key (tenant_id),
    constraint billing_belongs_to_a_tenant     foreign key (tenant_id) references tenants (id),
    constraint billing_mode_is_known           check (mode in ('postpaid', 'prepaid')),
    constraint billing_texts_fit               check (octet_length(name) <= 200
                                                      and octet_length(address) <= 1000
                                                      and octet_length(tax_number) <= 100),
    constraint billing_limit_exists            foreign key (tenant_id, limit_id)
                                               references limits (tenant_id, id),
    constraint billing_prepaid_has_a_limit     check ((mode = 'prepaid') = (limit_id is not null))
);

-- A budget whose amount is the tenant's balance: what it lends is worked out from the ledger, and `amount` is
-- only what it was when money last came in.
alter table limits add column follows_balance boolean not null default false;
create unique index limits_following_balance on limits (tenant_id) where follows_balance;

-- What a tenant's calls may cost in all, counted as the budget counts: what is left, and what it settled.
create function prepaid_amount(tenant uuid, budget uuid) returns bigint language sql stable as $$
    select least(1000000000000000000, greatest(0,
               coalesce((select amount_nanos
                           from ledger_balances
                          where tenant_id = tenant and account = 'balance'), 0)::numeric
               + coalesce((select sum(settled)
                             from grants
                            where tenant_id = tenant and limit_id = budget), 0)))::bigint
$$;

-- The last number of each year: invoices are numbered over the whole platform without a gap.
create table invoice_numbers (
    year    integer  not null,
    number  bigint   not null,

    constraint invoice_numbers_pkey            primary key (year)
);

create table invoices (
    tenant_id     uuid         not null,
    id            uuid         not null,
    number        text         not null,           -- 2026-000042
    month         date         not null,           -- its first day; up to whose end usage is in it
    status        text         not null,
    total_nanos   bigint       not null,           -- exact; the amount due is this, rounded once
    issuer        jsonb        not null,
    customer      jsonb        not null,
    issued_at     timestamptz  not null,
    issued_by     uuid,
    voided_at     timestamptz,
    void_reason   text,

    constraint invoices_pkey                   primary key (tenant_id, id),
    constraint invoice_number_is_unique        unique (tenant_id, number),
    constraint invoice_status_is_known         check (status in ('issued', 'void')),
    constraint invoice_is_void_with_a_reason   check ((status = 'void') = (voided_at is not null
                                                                          and void_reason is not null))
);

create unique index invoice_is_the_only_one_of_its_month on invoices (tenant_id, month) where status = 'issued';

-- Frozen when the invoice is issued.
create table invoice_lines (
    tenant_id       uuid     not null,
    invoice_id      uuid     not null,
    position        integer  not null,
    month           date     not null,             -- of the usage: an earlier one when it came late
    workspace_id    uuid     not null,
    workspace_name  text     not null,
    model_id        uuid     not null,
    model_name      text     not null,
    calls           bigint   not null,
    input_tokens    bigint   not null,
    output_tokens   bigint   not null,
    amount_nanos    bigint   not null,

    constraint invoice_lines_pkey              primary key (tenant_id, invoice_id, position),
    constraint invoice_line_is_of_an_invoice   foreign key (tenant_id, invoice_id)
                                               references invoices (tenant_id, id)
);

create function refuse_to_change_invoice() returns trigger language plpgsql as $$
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

create trigger invoice_stays before update or delete on invoices
    for each row execute function refuse_to_change_invoice();
create trigger books_stay before update or delete or truncate on invoice_lines
    for each statement execute function refuse_to_change_books();

-- What payment providers said, by their own event: each counts once.
create table payments (
    tenant_id       uuid         not null,
    id              uuid         not null,
    provider        text         not null,
    event           text         not null,
    amount_nanos    bigint       not null,
    received_at     timestamptz  not null,
    transaction_id  uuid         not null,

    constraint payments_pkey                   primary key (tenant_id, id),
    constraint payment_counts_once             unique (tenant_id, provider, event),
    constraint payment_is_an_amount            check (amount_nanos > 0),
    constraint payment_names_fit               check (octet_length(provider) between 1 and 64
                                                      and octet_length(event) between 1 and 255)
);

create trigger books_stay before update or delete or truncate on payments
    for each statement execute function refuse_to_change_books();

select isolate_by_tenant(guarded)
  from unnest(array['billing_settings', 'invoices', 'invoice_lines', 'payments']::regclass[]) as guarded;

grant select, insert, update, delete on billing_settings to eclusa_app;
grant select, insert, update on invoices, invoice_numbers to eclusa_app;
grant select, insert on invoice_lines, payments to eclusa_app;
grant select on billing_settings, invoices, invoice_lines, payments to eclusa_reports;
