-- How calls ended and how long they took, by hour (UTC): counts of calls by bucket of their time (see
-- LatencyBucket). Kept current in the transaction that takes a batch in.
create table usage_outcomes (
    tenant_id    uuid         not null,
    starts_at    timestamptz  not null,
    route_id     uuid         not null,
    provider_id  uuid         not null,
    model_id     uuid         not null,
    status_code  bigint       not null,
    error_code   text         not null,    -- empty: none
    measure      text         not null,    -- latency, or first_byte
    bucket       bigint       not null,
    calls        bigint       not null,

    constraint usage_outcomes_pkey primary key
        (tenant_id, starts_at, route_id, provider_id, model_id, status_code, error_code, measure, bucket)
) with (fillfactor = 70);

select isolate_by_tenant('usage_outcomes');
grant select, delete on usage_outcomes to eclusa_app;
grant select, insert, update on usage_outcomes to eclusa_ingest;
