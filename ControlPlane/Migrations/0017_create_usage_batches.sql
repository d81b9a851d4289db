-- How far each node's outbox has been taken in. Its row is the lock that puts the batches of one outbox in
-- order, and it outlives them: what is up to last_seq was counted, so deduplication has no window.
create table usage_streams (
    node_id       uuid    not null,
    outbox_epoch  bigint  not null,                -- random, made with the outbox file
    last_seq      bigint  not null,                -- 0: nothing yet

    constraint usage_streams_pkey              primary key (node_id, outbox_epoch),
    constraint usage_stream_is_not_negative    check (outbox_epoch > 0 and last_seq >= 0)
);

-- The batches that were taken in: the same again is a repetition, another under the same number is a
-- conflict.
create table usage_batches (
    node_id       uuid         not null,
    outbox_epoch  bigint       not null,
    seq           bigint       not null,
    sha256        bytea        not null,
    event_count   integer      not null,
    cost_nanos    bigint       not null,
    received_at   timestamptz  not null,

    constraint usage_batches_pkey              primary key (node_id, outbox_epoch, seq),
    constraint usage_batch_is_of_a_stream      foreign key (node_id, outbox_epoch)
                                               references usage_streams (node_id, outbox_epoch),
    constraint usage_batch_is_hashed           check (octet_length(sha256) = 32)
);
