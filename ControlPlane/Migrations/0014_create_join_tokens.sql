-- A permit to enroll one node, once. The token is shown to its maker alone: here is its SHA-256.
create table join_tokens (
    id          uuid         not null,
    token_hash  bytea        not null,
    node_name   text         not null,
    region      text         not null,
    created_by  uuid,
    created_at  timestamptz  not null,
    expires_at  timestamptz  not null,
    used_at     timestamptz,
    used_by     uuid,

    constraint join_tokens_pkey                primary key (id),
    constraint join_token_is_unique            unique (token_hash),
    constraint join_token_is_hashed            check (octet_length(token_hash) = 32),
    constraint join_token_is_used_by_a_node    foreign key (used_by) references nodes (id),
    constraint join_token_use_is_complete      check ((used_at is null) = (used_by is null))
);
