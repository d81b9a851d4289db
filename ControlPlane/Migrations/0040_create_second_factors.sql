-- A user's authenticator app: the secret is sealed. A step's code is taken once, by whichever control plane,
-- and a try is counted before its code is looked at.
create table second_factors (
    user_id        uuid         not null,
    sealed         bytea        not null,
    confirmed_at   timestamptz,               -- null: the app has not shown a right code yet
    last_step      bigint       not null,     -- the youngest step whose code was taken
    failures       integer      not null,
    blocked_until  timestamptz  not null,
    created_at     timestamptz  not null,

    constraint second_factors_pkey             primary key (user_id),
    constraint second_factor_is_of_a_user      foreign key (user_id) references users (id) on delete cascade,
    constraint second_factor_is_sealed         check (octet_length(sealed) between 41 and 1024)
);

-- For when the app is lost: each counts once. Here is their HMAC under a key that is not in the database.
create table recovery_codes (
    user_id    uuid   not null,
    code_hash  bytea  not null,

    constraint recovery_codes_pkey             primary key (user_id, code_hash),
    constraint recovery_code_is_of_a_factor    foreign key (user_id) references second_factors (user_id)
                                               on delete cascade,
    constraint recovery_code_is_hashed         check (octet_length(code_hash) = 32)
);

-- A right first step of a sign-in that waits for its second.
create table sign_in_challenges (
    token_hash  bytea        not null,
    user_id     uuid         not null,
    only_tenant uuid,                         -- of the session that will begin
    expires_at  timestamptz  not null,

    constraint sign_in_challenges_pkey         primary key (token_hash),
    constraint sign_in_challenge_is_hashed     check (octet_length(token_hash) = 32),
    constraint sign_in_challenge_is_in_a_tenant foreign key (only_tenant) references tenants (id)
                                               on delete cascade,
    constraint sign_in_challenge_is_of_a_user  foreign key (user_id) references users (id) on delete cascade
);

create index sign_in_challenges_by_expiry on sign_in_challenges (expires_at);

-- What a tenant (or the platform, its own row) asks of its members beyond the rules for all.
create table tenant_security (
    tenant_id               uuid         not null,
    requires_second_factor  boolean      not null,
    updated_at              timestamptz  not null,

    constraint tenant_security_pkey            primary key (tenant_id),
    constraint tenant_security_is_of_a_tenant  foreign key (tenant_id) references tenants (id)
                                               on delete cascade
);

select isolate_by_tenant('tenant_security');
grant select, insert, update, delete on second_factors to eclusa_app;
grant select, insert, delete on recovery_codes, sign_in_challenges to eclusa_app;
grant select, insert, update on tenant_security to eclusa_app;
-- Whether somebody has a factor, and who asks for one; no secret and no hash.
grant select on tenant_security to eclusa_reports;
grant select (user_id, confirmed_at) on second_factors to eclusa_reports;
grant select (user_id) on recovery_codes to eclusa_reports;
