-- Backups asked for and made: what was done, not the files, which stand in the folder of the control plane
-- that made them.
create table backups (
    id             uuid         not null,
    status         text         not null,          -- requested → running → done or failed
    is_scheduled   boolean      not null,
    requested_by   uuid,                           -- null: the schedule
    requested_at   timestamptz  not null,
    started_at     timestamptz,
    finished_at    timestamptz,
    file           text,
    bytes          bigint,
    sha256         bytea,
    problem        text,                           -- why it failed
    checked_at     timestamptz,                    -- when it was restored into a scratch database
    check_problem  text,                           -- why that failed; null with checked_at: it did not
    removed_at     timestamptz,                    -- when retention deleted the file

    constraint backups_pkey                    primary key (id),
    constraint backup_status_is_known          check (status in ('requested', 'running', 'done', 'failed')),
    constraint backup_is_done_with_a_file      check (status <> 'done' or (file is not null
                                                      and bytes is not null and sha256 is not null))
);

create index backups_to_do on backups (id) where status in ('requested', 'running');
create index backups_by_file on backups (file);

grant select, insert, update on backups to eclusa_app;
