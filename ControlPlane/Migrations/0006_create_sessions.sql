-- One sign-in on one device: the family of all refresh tokens that followed from it.
create table sessions (
    id            uuid         not null,
    user_id       uuid         not null,
    user_agent    text         not null default '',
    address       text         not null default '',
    created_at    timestamptz  not null,
    last_seen_at  timestamptz  not null,
    expires_at    timestamptz  not null,
    revoked_at    timestamptz,
    only_tenant   uuid,                     -- the one place where it counts; null: everywhere

    constraint sessions_pkey                   primary key (id),
    constraint session_is_of_a_user            foreign key (user_id) references users (id) on delete cascade,
    constraint session_counts_in_a_tenant      foreign key (only_tenant) references tenants (id)
                                               on delete cascade,
    constraint session_texts_fit               check (octet_length(user_agent) <= 512
                                                      and octet_length(address) <= 64)
);

create index sessions_by_user on sessions (user_id, id desc);

-- Refresh tokens as SHA-256. A used one stays until its session ends: showing it again means that it was
-- stolen.
create table refresh_tokens (
    token_hash  bytea        not null,
    session_id  uuid         not null,
    issued_at   timestamptz  not null,
    used_at     timestamptz,

    constraint refresh_tokens_pkey             primary key (token_hash),
    constraint refresh_token_is_of_a_session   foreign key (session_id)
                                               references sessions (id) on delete cascade,
    constraint refresh_token_is_hashed         check (octet_length(token_hash) = 32)
);

-- Of the tokens of a family exactly one can be used next.
create unique index refresh_token_is_the_only_open_one on refresh_tokens (session_id) where used_at is null;
