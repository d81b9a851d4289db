-- Refused calls of known keys. No usage: nothing was dialled, nothing cost anything. How often by key, reason
-- and minute; and a few of the calls, which nodes choose.
create table refusal_minutes (
    tenant_id     uuid         not null,
    starts_at     timestamptz  not null,
    key_id        uuid         not null,
    code          text         not null,           -- of the error catalogue
    workspace_id  uuid         not null,
    calls         bigint       not null,

    constraint refusal_minutes_pkey            primary key (tenant_id, starts_at, key_id, code),
    constraint refusal_minute_code_fits        check (octet_length(code) between 1 and 64)
);

create table refusal_samples (
    tenant_id     uuid         not null,
    at            timestamptz  not null,
    request_id    text         not null,
    key_id        uuid         not null,
    workspace_id  uuid         not null,
    node_id       uuid         not null,
    code          text         not null,
    status_code   smallint     not null,

    constraint refusal_samples_pkey            primary key (tenant_id, at, request_id)
);

select isolate_by_tenant('refusal_minutes');
select isolate_by_tenant('refusal_samples');
grant select, delete on refusal_minutes, refusal_samples to eclusa_app;
grant select, insert, update on refusal_minutes to eclusa_ingest;
grant insert on refusal_samples to eclusa_ingest;
grant select on refusal_minutes, refusal_samples to eclusa_reports;
