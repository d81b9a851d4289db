-- Of a node's outbox that was rolled back or cloned, events come again in batches of another cut: those that
-- are there are found by when and whose they are.
grant select (tenant_id, started_at, id) on usage_events to eclusa_ingest;
