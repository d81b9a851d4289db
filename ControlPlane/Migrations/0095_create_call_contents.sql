-- What was said in single calls, of tenants that want it kept: redacted by the node that carried the call, here
-- sealed under the tenant's data key. Usage does not depend on it, and it goes before usage does.
alter table tenants
    add column content_days     integer,                               -- null: nothing is kept
    add column content_percent  integer  not null default 100,
    add constraint tenant_content_is_days      check (content_days between 1 and 365),
    add constraint tenant_content_is_a_share   check (content_percent between 1 and 100);

create table call_contents (
    tenant_id   uuid         not null,
    id          uuid         not null,                                 -- of the usage event
    started_at  timestamptz  not null,
    sealed      bytea        not null,

    constraint call_contents_pkey              primary key (tenant_id, id),
    constraint call_content_fits               check (octet_length(sealed) between 1 and 163840)
);

create index call_contents_by_time on call_contents (tenant_id, started_at);

select isolate_by_tenant('call_contents');
grant select, update, delete on call_contents to eclusa_app;
grant insert on call_contents to eclusa_publisher;
grant select, delete on call_contents to eclusa_ingest;
grant select (content_days) on tenants to eclusa_ingest;
