-- A person who signs in. Platform-wide: the same person may be a member of any number of tenants.
create table users (
    id                   uuid         not null,
    email                text         not null,
    name                 text         not null,
    password_hash        text,                   -- argon2id in PHC form; null: no sign-in by password
    password_changed_at  timestamptz,
    status               text         not null,
    locale               text         not null default 'en',
    email_verified_at    timestamptz,            -- when the mailbox was proven to be theirs
    created_at           timestamptz  not null,
    updated_at           timestamptz  not null,

    constraint users_pkey                      primary key (id),
    constraint user_email_fits                 check (octet_length(email) between 3 and 254),
    constraint user_name_fits                  check (octet_length(name) between 1 and 200),
    constraint user_password_is_hashed         check (password_hash like '$argon2id$%'),
    constraint user_status_is_known            check (status in ('active', 'disabled')),
    constraint user_locale_is_known            check (locale in ('en', 'pt-BR'))
);

-- Addresses are shown as they were written and compared in lowercase.
create unique index user_email_is_unique on users (lower(email));
-- For finding users by the beginning of their address.
create index users_by_email on users (lower(email) collate "C");
-- For lists that ask for a part.
create index users_by_name on users (lower(name) collate "C");
create index users_disabled on users (id desc) where status = 'disabled';
