-- How far a change of settings has got among the nodes. While it travels, or is held back, there are two
-- snapshots: the live one, and one with the settings of before and everything else as it is now.
create table rollouts (
    singleton          boolean      not null default true,
    pinned_epoch       bigint,                     -- asked for: these settings for everybody, until further notice
    pinned_counter     bigint,
    held_epoch         bigint,                     -- the newest held snapshot; null: everybody runs the live one
    held_counter       bigint,
    base_epoch         bigint,                     -- the version whose settings it holds
    base_counter       bigint,
    candidate_counter  bigint,                     -- the first live version that has the change
    stage              text         not null default 'done',
    since              timestamptz,                -- when the stage began
    reason             text,                       -- why it was stopped

    constraint rollouts_pkey                   primary key (singleton),
    constraint rollouts_is_one_row             check (singleton),
    constraint rollout_stage_is_known          check (stage in ('done', 'canary', 'tenth', 'stopped',
                                                                'frozen')),
    constraint rollout_pin_is_complete         check ((pinned_epoch is null) = (pinned_counter is null)),
    constraint rollout_held_is_complete        check ((held_epoch is null) = (held_counter is null)),
    constraint rollout_done_holds_nothing      check ((stage = 'done') = (held_epoch is null))
);

insert into rollouts default values;

create trigger wake_publisher after update on rollouts
    for each statement execute function wake_publisher();

grant select, update on rollouts to eclusa_publisher, eclusa_app;
-- Differences of versions are told by the admin API, and a new epoch is begun by it.
grant select on snapshot_objects to eclusa_app;
grant update on snapshot_state to eclusa_app;
