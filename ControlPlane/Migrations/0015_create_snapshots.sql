-- Where publishing stands: one row, moved by compare-and-set only, so that two publishers are harmless. A
-- restored backup raises the epoch, because its counter has gone back.
create table snapshot_state (
    singleton   boolean      not null default true,
    epoch       bigint       not null,
    counter     bigint       not null,
    built_from  pg_snapshot,                       -- what the last build could see; null: build everything

    constraint snapshot_state_pkey             primary key (singleton),
    constraint snapshot_state_is_one_row       check (singleton),
    constraint snapshot_state_is_not_negative  check (epoch >= 1 and counter >= 0)
);

insert into snapshot_state (epoch, counter) values (1, 0);

-- What was published: the signed root of each version, and the objects it needs.
create table snapshot_versions (
    epoch         bigint       not null,
    counter       bigint       not null,
    manifest      bytea        not null,           -- signed envelope, as nodes get it
    objects       bytea[]      not null,           -- SHA-256 of every page and shard
    built_from    pg_snapshot  not null,           -- what its build could see: tells whether a change is in it
    track         text         not null default 'live',
    lacks         xid8[]       not null default '{}', -- held: changes of settings that are left out
    published_at  timestamptz  not null,

    constraint snapshot_versions_pkey          primary key (epoch, counter),
    constraint snapshot_track_is_known         check (track in ('live', 'held'))
);

-- Pages and shards by the SHA-256 of their bytes; immutable.
create table snapshot_objects (
    sha256      bytea        not null,
    bytes       bytea        not null,
    created_at  timestamptz  not null,

    constraint snapshot_objects_pkey           primary key (sha256),
    constraint snapshot_object_is_named_right  check (sha256 = sha256(bytes))
);

-- Compressed already, so do not try again.
alter table snapshot_objects  alter column bytes    set storage external;
alter table snapshot_versions alter column manifest set storage external;
