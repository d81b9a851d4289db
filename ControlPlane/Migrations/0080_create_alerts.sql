-- Who is told what: rules name a condition, channels say where messages go, alerts are conditions that hold
-- or held, deliveries the messages about them.

-- When something that is done again and again was last begun, whichever control plane did.
create table job_runs (
    name        text         not null,
    started_at  timestamptz  not null,

    constraint job_runs_pkey                   primary key (name)
);

grant select, insert, update on job_runs to eclusa_app;

create table alert_channels (
    tenant_id        uuid         not null,
    id               uuid         not null,
    name             text         not null,
    kind             text         not null,
    recipients       text[]       not null,
    url              text,
    language         text         not null,
    quiet_from       bigint,                          -- minutes after midnight, by the clocks of time_zone
    quiet_to         bigint,
    time_zone        text,
    enabled          boolean      not null,
    secret           bytea,                           -- of a webhook, sealed under the tenant's data key
    previous_secret  bytea,                           -- still signs until previous_ends
    previous_ends    timestamptz,
    created_at       timestamptz  not null,
    updated_at       timestamptz  not null,

    constraint alert_channels_pkey             primary key (tenant_id, id),
    constraint alert_channel_is_of_a_tenant    foreign key (tenant_id) references tenants (id),
    constraint alert_channel_name_is_unique    unique (tenant_id, name),
    constraint alert_channel_name_fits         check (octet_length(name) between 1 and 200),
    constraint alert_channel_has_an_address    check (case kind
                                                      when 'email'
                                                      then cardinality(recipients) between 1 and 10
                                                           and url is null and secret is null
                                                      else cardinality(recipients) = 0
                                                           and url is not null and secret is not null end),
    constraint alert_channel_quiet_is_whole    check (num_nulls(quiet_from, quiet_to, time_zone) in (0, 3)
                                                      and quiet_from between 0 and 1439
                                                      and quiet_to between 0 and 1439),
    constraint alert_channel_overlap_is_whole  check ((previous_secret is null) = (previous_ends is null))
);

create table alert_rules (
    tenant_id       uuid         not null,
    id              uuid         not null,
    name            text         not null,
    kind            text         not null,
    severity        text         not null,
    limit_id        uuid,
    workspace_id    uuid,
    route_id        uuid,
    threshold       bigint       not null,            -- in the kind's unit
    window_minutes  bigint       not null,
    percentile      bigint       not null,
    minimum_calls   bigint       not null,
    channels        uuid[]       not null,
    enabled         boolean      not null,
    created_at      timestamptz  not null,
    updated_at      timestamptz  not null,

    constraint alert_rules_pkey                primary key (tenant_id, id),
    constraint alert_rule_is_of_a_tenant       foreign key (tenant_id) references tenants (id),
    constraint alert_rule_name_is_unique       unique (tenant_id, name),
    constraint alert_rule_name_fits            check (octet_length(name) between 1 and 200),
    constraint alert_rule_channels_are_few     check (cardinality(channels) <= 20),
    constraint alert_rule_limit_exists         foreign key (tenant_id, limit_id)
                                               references limits (tenant_id, id) on delete cascade,
    constraint alert_rule_workspace_exists     foreign key (tenant_id, workspace_id)
                                               references workspaces (tenant_id, id) on delete cascade,
    constraint alert_rule_route_exists         foreign key (tenant_id, route_id)
                                               references routes (tenant_id, id) on delete cascade
);

create table alerts (
    tenant_id     uuid         not null,
    id            uuid         not null,
    rule_id       uuid         not null,
    subject       text         not null,              -- what it is about, for programs: told apart by it
    about         text         not null,              -- the same for people
    value         bigint       not null,
    threshold     bigint       not null,
    started_at    timestamptz  not null,
    last_held_at  timestamptz  not null,
    resolved_at   timestamptz,

    constraint alerts_pkey                     primary key (tenant_id, id),
    constraint alert_is_of_a_rule              foreign key (tenant_id, rule_id)
                                               references alert_rules (tenant_id, id) on delete cascade
);

create unique index alert_is_open_once on alerts (tenant_id, rule_id, subject) where resolved_at is null;
create index alerts_by_end on alerts (resolved_at) where resolved_at is not null;

create table alert_deliveries (
    tenant_id        uuid         not null,
    id               uuid         not null,
    place            bigint       generated always as identity, -- messages of a channel go out in this order
    channel_id       uuid         not null,
    alert_id         uuid,                            -- null: a test
    event            text         not null,
    severity         text         not null,
    payload          text         not null,
    status           text         not null,
    attempts         bigint       not null,
    next_attempt_at  timestamptz  not null,           -- of a claimed one: when its lease ends
    give_up_at       timestamptz  not null,
    response_status  bigint,
    reason           text         not null,
    created_at       timestamptz  not null,
    finished_at      timestamptz,

    constraint alert_deliveries_pkey           primary key (tenant_id, id),
    constraint alert_delivery_has_a_channel    foreign key (tenant_id, channel_id)
                                               references alert_channels (tenant_id, id) on delete cascade,
    constraint alert_delivery_status_is_known  check (status in ('waiting', 'sent', 'failed')),
    constraint alert_delivery_fits             check (octet_length(payload) <= 65536
                                                      and octet_length(reason) <= 500),
    constraint alert_delivery_ends_with_time   check ((status = 'waiting') = (finished_at is null))
);

create index alert_deliveries_waiting on alert_deliveries (tenant_id, channel_id, place)
    where status = 'waiting';
create index alert_deliveries_by_end on alert_deliveries (finished_at) where finished_at is not null;

select isolate_by_tenant('alert_channels');
select isolate_by_tenant('alert_rules');
select isolate_by_tenant('alerts');
select isolate_by_tenant('alert_deliveries');

-- Whether a moment lies in quiet hours; hours that end before they begin go over midnight.
create function is_quiet(quiet_from bigint, quiet_to bigint, zone text, moment timestamptz) returns boolean
language sql stable as $$
    select coalesce(case when quiet_from < quiet_to then minute >= quiet_from and minute < quiet_to
                         else minute >= quiet_from or minute < quiet_to end, false)
      from (select extract(hour from moment at time zone zone) * 60
                   + extract(minute from moment at time zone zone)) as clock (minute)
$$;

grant select, insert, update, delete on alert_channels, alert_rules, alerts, alert_deliveries to eclusa_app;
-- To find the tenants where something is to be done.
grant select (tenant_id, id, enabled, quiet_from, quiet_to, time_zone) on alert_channels to eclusa_reports;
grant select (tenant_id, id, enabled) on alert_rules to eclusa_reports;
grant select (tenant_id, resolved_at) on alerts to eclusa_reports;
grant select (tenant_id, id, place, channel_id, event, severity, status, next_attempt_at, finished_at)
   on alert_deliveries to eclusa_reports;
