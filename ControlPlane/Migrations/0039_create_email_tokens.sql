-- What a link in a message to somebody's mailbox stands for: used once, then gone. The token is in the
-- message alone: here is its SHA-256.
create table email_tokens (
    token_hash  bytea        not null,
    purpose     text         not null,
    email       text         not null,
    name        text,                       -- of somebody who signs up
    locale      text,
    user_id     uuid,                       -- null: somebody who is no user (yet)
    created_at  timestamptz  not null,
    expires_at  timestamptz  not null,

    constraint email_tokens_pkey               primary key (token_hash),
    constraint email_token_is_hashed           check (octet_length(token_hash) = 32),
    constraint email_token_purpose_is_known    check (purpose in ('sign_up', 'verification', 'password_reset')),
    constraint email_token_is_of_a_user        foreign key (user_id) references users (id) on delete cascade,
    constraint email_token_texts_fit           check (octet_length(email) between 3 and 254
                                                      and octet_length(name) between 1 and 200)
);

create index email_tokens_by_expiry on email_tokens (expires_at);
create index email_tokens_by_user on email_tokens (user_id);

-- Who may sign up without being invited; one row.
create table sign_up_settings (
    only_row         boolean      not null default true,
    is_open          boolean      not null,
    allowed_domains  text[]       not null,      -- empty: every domain
    updated_at       timestamptz  not null,

    constraint sign_up_settings_pkey           primary key (only_row),
    constraint sign_up_settings_is_one_row     check (only_row)
);

insert into sign_up_settings (is_open, allowed_domains, updated_at) values (false, '{}', 'epoch');

grant select, insert, delete on email_tokens to eclusa_app;
grant select, update on sign_up_settings to eclusa_app;
