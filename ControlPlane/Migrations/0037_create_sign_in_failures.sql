-- Tries to sign in that have not succeeded (yet), by account and address: for all control planes together.
-- Counted before the password is looked at, so that tries at once are all counted. Worth nothing after a
-- crash, so it costs no log.
create unlogged table sign_in_failures (
    subject        bytea        not null,     -- SHA-256 of what is counted
    count          integer      not null,
    free           integer      not null,     -- tries that cost nothing
    last_at        timestamptz  not null,
    blocked_until  timestamptz  not null,

    constraint sign_in_failures_pkey           primary key (subject),
    constraint sign_in_failure_is_hashed       check (octet_length(subject) = 32)
);

create index sign_in_failures_by_age on sign_in_failures (last_at);

grant select, insert, update, delete on sign_in_failures to eclusa_app;
