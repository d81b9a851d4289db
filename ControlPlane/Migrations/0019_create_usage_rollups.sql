-- Sums of usage by minute, hour and day (UTC) and by all a report can group by; kept current in the
-- transaction that takes a batch in, so a report never disagrees with the events. One tenant's sums of one
-- period lie together.
create table usage_minutes (
    tenant_id            uuid         not null,
    starts_at            timestamptz  not null,
    workspace_id         uuid         not null,
    key_id               uuid         not null,
    route_id             uuid         not null,
    provider_id          uuid         not null,
    model_id             uuid         not null,
    calls                bigint       not null,
    failed_calls         bigint       not null,
    estimated_calls      bigint       not null,    -- whose cost is not the provider's own figure
    input_tokens         bigint       not null,
    cached_input_tokens  bigint       not null,
    cache_write_tokens   bigint       not null,
    output_tokens        bigint       not null,
    reasoning_tokens     bigint       not null,
    cost_nanos           bigint       not null,
    latency_us           bigint       not null,    -- sums; divide by calls
    first_byte_us        bigint       not null,

    constraint usage_minutes_pkey primary key
        (tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id)
) with (fillfactor = 70);

create table usage_hours (
    like usage_minutes,
    constraint usage_hours_pkey primary key
        (tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id)
) with (fillfactor = 70);

create table usage_days (
    like usage_minutes,
    constraint usage_days_pkey primary key
        (tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id)
) with (fillfactor = 70);
