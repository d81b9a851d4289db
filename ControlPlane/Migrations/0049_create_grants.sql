-- An amount that is lent: a limit, or one part of a partitioned one, in one window. Whoever lends of it locks
-- its row.
create table grant_accounts (
    tenant_id     uuid         not null,
    limit_id      uuid         not null,
    part          uuid         not null,              -- see LimitPart; zero: the whole
    window_start  timestamptz  not null,
    window_end    timestamptz,
    alerted       bigint       not null default 0,    -- the highest threshold that was announced, per cent

    constraint grant_accounts_pkey             primary key (tenant_id, limit_id, part, window_start),
    constraint grant_account_is_of_a_limit     foreign key (tenant_id, limit_id)
                                               references limits (tenant_id, id) on delete cascade
) with (fillfactor = 70);

create index grant_accounts_by_end on grant_accounts (window_end) where window_end is not null;

-- What nodes were lent of an account: shares of rates and slots, slices of budgets. See LendingAccount for
-- the rules; what is open of all grants of an account never exceeds the limit's amount by a grant.
create table grants (
    tenant_id     uuid         not null,
    id            uuid         not null,              -- chosen by the node
    limit_id      uuid         not null,
    part          uuid         not null,
    window_start  timestamptz  not null,
    node_id       uuid         not null,
    serial        bigint       not null,
    lent          bigint       not null,
    settled       bigint       not null,              -- by the usage that came in
    reported      bigint       not null,              -- by the node's own word
    held          bigint       not null,
    need          bigint       not null,
    hold          bigint       not null,
    demand        bigint       not null,
    orphan        boolean      not null,              -- its node has no record of it
    written_off   boolean      not null default false,
    seen_at       timestamptz  not null,

    constraint grants_pkey                     primary key (tenant_id, id),
    constraint grant_is_of_an_account          foreign key (tenant_id, limit_id, part, window_start)
                                               references grant_accounts on delete cascade,
    constraint grant_is_of_a_node              foreign key (node_id) references nodes (id),
    constraint grant_amounts_are_not_negative  check (least(serial, lent, settled, reported, held, need, hold,
                                                            demand) >= 0)
) with (fillfactor = 70);

create index grants_by_account on grants (tenant_id, limit_id, part, window_start);

select isolate_by_tenant('grant_accounts');
select isolate_by_tenant('grants');

-- The newest message of each node: a late one must not undo a newer one.
create table grant_streams (
    node_id      uuid     not null,
    sequence     bigint   not null,
    epoch        bigint   not null,                   -- the epoch everything it was lent is known in
    first_round  bigint,                              -- its round when it first spoke in another epoch

    constraint grant_streams_pkey              primary key (node_id),
    constraint grant_stream_is_of_a_node       foreign key (node_id) references nodes (id) on delete cascade
);

-- A node that joins was lent nothing yet.
create function open_grant_stream() returns trigger language plpgsql as $$
begin
    insert into grant_streams (node_id, sequence, epoch)
    select new.id, 0, epoch from snapshot_state
    on conflict do nothing;
    return null;
end
$$;

insert into grant_streams (node_id, sequence, epoch) select nodes.id, 0, epoch from nodes, snapshot_state;

create trigger open_grant_stream after insert on nodes for each row execute function open_grant_stream();

grant select, update on grants to eclusa_app;
grant select, update on grant_accounts to eclusa_app;
grant select, insert, update, delete on grants, grant_accounts to eclusa_publisher;
grant select, insert, update on grant_streams to eclusa_publisher;
grant select, update on grants to eclusa_ingest;
