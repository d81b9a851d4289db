-- One row a call, by the day it began. No primary key and no foreign keys: exactly-once is the batch's
-- business, usage outlives what it names, and COPY pays for every index.
create table usage_events (
    tenant_id            uuid         not null,
    id                   uuid         not null,
    started_at           timestamptz  not null,
    workspace_id         uuid         not null,
    key_id               uuid         not null,
    route_id             uuid         not null,
    provider_id          uuid         not null,
    model_id             uuid         not null,
    price_id             uuid,                     -- null: none was in force
    node_id              uuid         not null,
    endpoint             text         not null,
    latency_us           bigint       not null,
    first_byte_us        bigint       not null,
    input_tokens         bigint       not null,
    cached_input_tokens  bigint       not null,
    cache_write_tokens   bigint       not null,
    output_tokens        bigint       not null,
    reasoning_tokens     bigint       not null,
    cost_nanos           bigint       not null,    -- nano-USD
    cost_state           text         not null,
    status_code          smallint     not null,
    streamed             boolean      not null,
    ending               text         not null,
    error_code           text,
    attempts             smallint     not null,
    grants               uuid[],                   -- of the budgets it was held against; null: of none
    purpose              text         not null default 'call',   -- call, hedge, mirror: what was asked for
    from_cache           boolean      not null default false,    -- nobody was asked
    guardrail_marks      text                                    -- JSON: which, what, how often; never a text
) partition by range (started_at);

create index usage_events_by_tenant on usage_events (tenant_id, started_at desc, id desc);

-- Clocks can be wrong by years: such rows are kept here, instead of a partition for every day somebody
-- invents.
create table usage_events_default partition of usage_events default;
alter table usage_events_default enable row level security;
alter table usage_events_default force row level security;

-- Makes the partition of one UTC day, if it is missing; true when it did. Created apart and attached,
-- because ATTACH lets COPY go on, where CREATE … PARTITION OF would stop the whole table. Works with the
-- rights of the table's owner, for eclusa_ingest has none to make tables. The partition itself is closed to
-- all roles that do not bypass row-level security: they come through usage_events.
create function create_usage_partition(day date) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    partition text := 'usage_events_' || to_char(day, 'YYYYMMDD');
    first timestamptz := day::timestamp at time zone 'UTC';
    past timestamptz := (day + 1)::timestamp at time zone 'UTC';
    attach text := 'alter table usage_events attach partition %I for values from (%L) to (%L)';
begin
    if to_regclass(partition) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('eclusa.usage_partition', 0));
    -- Not to_regclass again: it remembers that there was none.
    if exists (select from pg_class where relname = partition) then
        return false;
    end if;
    execute format('create table %I (like usage_events including defaults including constraints)', partition);
    begin
        execute format(attach, partition, first, past);
    exception when check_violation then
        -- Calls of that day are there already: of nodes whose clocks were days ahead.
        alter table usage_events_default no force row level security;
        execute format('with early as (delete from usage_events_default
                                        where started_at >= %L and started_at < %L returning *)
                        insert into %I select * from early', first, past, partition);
        alter table usage_events_default force row level security;
        execute format(attach, partition, first, past);
    end;
    execute format('alter table %I enable row level security', partition);
    execute format('alter table %I force row level security', partition);
    return true;
end
$$;
