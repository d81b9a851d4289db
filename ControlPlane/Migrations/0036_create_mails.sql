-- Messages to people: queued in the transaction that causes them, handed to a mail server afterwards. The
-- text holds links that let somebody in, so it is sealed, and forgotten as soon as the message is over.
create table mails (
    id               uuid         not null,
    recipient        text         not null,
    kind             text         not null,
    sealed           bytea,
    status           text         not null,
    attempts         integer      not null,
    next_attempt_at  timestamptz  not null,     -- of a claimed one: when its lease ends
    give_up_at       timestamptz  not null,
    reason           text         not null,     -- why the last attempt failed
    created_at       timestamptz  not null,
    finished_at      timestamptz,

    constraint mails_pkey                      primary key (id),
    constraint mail_recipient_fits             check (octet_length(recipient) between 3 and 254),
    constraint mail_status_is_known            check (status in ('waiting', 'sent', 'failed')),
    constraint mail_reason_fits                check (octet_length(reason) <= 500),
    constraint mail_text_ends_with_it          check ((status = 'waiting') = (sealed is not null)
                                                      and (status = 'waiting') = (finished_at is null)
                                                      and octet_length(sealed) <= 65536)
);

create index mails_waiting on mails (next_attempt_at, id) where status = 'waiting';
create index mails_by_end on mails (finished_at) where finished_at is not null;

grant select, insert, update, delete on mails to eclusa_app;
