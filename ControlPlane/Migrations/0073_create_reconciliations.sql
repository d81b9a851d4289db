-- A provider's own figures beside ours, by day and model: of providers of the platform, over all tenants.
create table reconciliations (
    id           uuid         not null,
    provider_id  uuid         not null,
    starts_on    date         not null,
    ends_on      date         not null,              -- the day after the last one
    created_at   timestamptz  not null,
    created_by   uuid,

    constraint reconciliations_pkey            primary key (id),
    constraint reconciliation_has_a_period     check (starts_on < ends_on)
);

create table reconciliation_lines (
    reconciliation_id     uuid     not null,
    position              integer  not null,
    day                   date     not null,
    model                 text     not null,         -- as the provider calls it
    our_calls             bigint   not null,
    our_input_tokens      bigint   not null,
    our_output_tokens     bigint   not null,
    our_cost_nanos        bigint   not null,
    their_calls           bigint,                    -- null: it does not say
    their_input_tokens    bigint,
    their_output_tokens   bigint,
    their_cost_nanos      bigint,

    constraint reconciliation_lines_pkey       primary key (reconciliation_id, position),
    constraint line_is_of_a_reconciliation     foreign key (reconciliation_id) references reconciliations (id)
);

grant select, insert on reconciliations, reconciliation_lines to eclusa_app;
