-- Reports of usage that go to mailboxes by themselves: each about the calendar period before.
create table report_schedules (
    tenant_id     uuid         not null,
    id            uuid         not null,
    name          text         not null,
    period        text         not null,
    hour          bigint       not null,              -- of the day it is sent at, by the clocks of time_zone
    time_zone     text         not null,
    group_by      text         not null,
    lines         bigint       not null,
    recipients    text[]       not null,
    language      text         not null,
    enabled       boolean      not null,
    next_at       timestamptz  not null,
    last_sent_at  timestamptz,
    created_at    timestamptz  not null,
    updated_at    timestamptz  not null,

    constraint report_schedules_pkey            primary key (tenant_id, id),
    constraint report_schedule_is_of_a_tenant   foreign key (tenant_id) references tenants (id),
    constraint report_schedule_name_is_unique   unique (tenant_id, name),
    constraint report_schedule_name_fits        check (octet_length(name) between 1 and 200),
    constraint report_schedule_has_recipients   check (cardinality(recipients) between 1 and 10),
    constraint report_schedule_is_in_range      check (hour between 0 and 23 and lines between 1 and 100)
);

create index report_schedules_by_time on report_schedules (next_at) where enabled;

select isolate_by_tenant('report_schedules');

-- When a report is sent after a moment, and the period it is about.
create function next_report(period text, zone text, hour bigint, moment timestamptz) returns timestamptz
language sql stable as $$
    select min(candidate)
      from generate_series(0, 1) as step,
           lateral (select (date_trunc(period, moment at time zone zone) + step * ('1 ' || period)::interval
                            + hour * interval '1 hour') at time zone zone) as one (candidate)
     where candidate > moment
$$;

create function reported_period(period text, zone text, moment timestamptz,
                                out starts timestamptz, out ends timestamptz) language sql stable as $$
    select (date_trunc(period, moment at time zone zone) - ('1 ' || period)::interval) at time zone zone,
           date_trunc(period, moment at time zone zone) at time zone zone
$$;

grant select, insert, update, delete on report_schedules to eclusa_app;
grant select (tenant_id, id, enabled, next_at) on report_schedules to eclusa_reports;
