-- What nodes were lent of limits: shares of rates and slots, slices of budgets. See LendingAccount for the
-- rules; what is open of all grants of an account and window never exceeds the limit's amount by a grant.
create table grants (
    tenant_id     uuid         not null,
    id            uuid         not null,              -- chosen by the node
    limit_id      uuid         not null,
    part          uuid         not null,              -- which part of a partitioned limit; zero: the whole
    window_start  timestamptz  not null,
    window_end    timestamptz,
    node_id       uuid         not null,
    serial        bigint       not null,
    lent          bigint       not null,
    settled       bigint       not null,              -- by the usage that came in
    reported      bigint       not null,              -- by the node's own word
    held          bigint       not null,
    need          bigint       not null,
    hold          bigint       not null,
    demand        bigint       not null,
    orphan        boolean      not null,
    seen_at       timestamptz  not null,

    constraint grants_pkey                     primary key (tenant_id, id),
    constraint grant_is_of_a_limit             foreign key (tenant_id, limit_id)
                                               references limits (tenant_id, id) on delete cascade,
    constraint grant_is_of_a_node              foreign key (node_id) references nodes (id),
    constraint grant_amounts_are_not_negative  check (least(serial, lent, settled, reported, held, need, hold,
                                                            demand) >= 0)
);

create index grants_by_account on grants (tenant_id, limit_id, part, window_start);

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

grant select on grants to eclusa_app;
grant select, insert, update, delete on grants to eclusa_publisher;
grant select, insert, update on grant_streams to eclusa_publisher;
grant select, update on grants to eclusa_ingest;
