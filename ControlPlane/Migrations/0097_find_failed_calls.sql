-- The last failed calls of a tenant, however few they are among the others.
create index usage_events_failed on usage_events (tenant_id, started_at desc, id desc)
    where error_code is not null or status_code >= 400;
