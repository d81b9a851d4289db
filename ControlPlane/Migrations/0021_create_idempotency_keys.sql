-- What a POST answered, so that the same request again gets the same answer. Of a caller, because two
-- callers may choose the same key.
create table idempotency_keys (
    tenant_id      uuid         not null,
    caller_id      uuid         not null,
    key            text         not null,
    request_hash   bytea        not null,          -- of method, path and body: under one key always the same
    status         smallint,                       -- null: still being worked on
    response       bytea,                          -- sealed when it holds a secret that is shown once
    holds_secret   boolean      not null default false,
    created_at     timestamptz  not null,
    expires_at     timestamptz  not null,

    constraint idempotency_keys_pkey           primary key (tenant_id, caller_id, key),
    constraint idempotency_key_fits            check (octet_length(key) between 1 and 255),
    constraint idempotency_request_is_hashed   check (octet_length(request_hash) = 32)
);

create index idempotency_keys_by_expiry on idempotency_keys (expires_at);
