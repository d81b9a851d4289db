-- What a POST answered, so that the same request again gets the same answer. Of a caller, because two
-- callers may choose the same key. Claimed and answered in the transaction that does the work: a row that
-- others can see is complete.
create table idempotency_keys (
    caller_id      uuid         not null,
    key            text         not null,
    request_hash   bytea        not null,          -- of method, target and body: one for one key
    status         smallint,
    body           bytea,                          -- sealed when it holds a secret that is shown once
    change_token   text,
    entity_tag     text,
    holds_secret   boolean      not null default false,
    created_at     timestamptz  not null,
    expires_at     timestamptz  not null,

    constraint idempotency_keys_pkey           primary key (caller_id, key),
    constraint idempotency_key_fits            check (octet_length(key) between 1 and 255),
    constraint idempotency_request_is_hashed   check (octet_length(request_hash) = 32)
);

create index idempotency_keys_by_expiry on idempotency_keys (expires_at);
