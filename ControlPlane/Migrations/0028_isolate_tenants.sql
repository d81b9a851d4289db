-- Row-level security on every table of tenants, and what each role of the program may do. The roles belong to
-- the cluster: the program makes them before it migrates.
select isolate_by_tenant('tenants', 'id');
select isolate_by_tenant(guarded)
  from unnest(array['workspaces', 'members', 'bindings', 'providers', 'provider_credentials', 'models',
                    'prices', 'routes', 'route_targets', 'keys', 'key_uses', 'snapshot_changes',
                    'usage_events', 'usage_minutes', 'usage_hours', 'usage_days', 'audit_events',
                    'audit_heads']::regclass[]) as guarded;

-- Tenants' routes may name models of the platform.
create policy platform_is_shared on models
    for select using (tenant_id = '00000000-0000-0000-0000-000000000000');

-- The admin API: one tenant at a time.
grant select, insert, update, delete
   on tenants, workspaces, members, bindings, providers, provider_credentials, models, prices, routes,
      route_targets, keys, idempotency_keys, users, sessions, refresh_tokens, platform_secrets
   to eclusa_app;
grant select, delete on key_uses to eclusa_app;
grant select on usage_events, usage_minutes, usage_hours, usage_days to eclusa_app;
grant select, insert on audit_events to eclusa_app;
grant select, insert, update on audit_heads to eclusa_app;
grant insert on snapshot_changes to eclusa_app;
grant select on snapshot_state, snapshot_versions, node_reports to eclusa_app;
grant select, update on nodes to eclusa_app;
grant select, insert, delete on join_tokens to eclusa_app;

-- Usage of all tenants, by COPY, which does not run under row-level security.
grant select, insert, update on usage_streams, usage_minutes, usage_hours, usage_days, key_uses
   to eclusa_ingest;
grant select, insert on usage_batches to eclusa_ingest;
grant insert on usage_events to eclusa_ingest;
revoke execute on function create_usage_partition from public;
grant execute on function create_usage_partition to eclusa_ingest;

-- The snapshot of all tenants, and the nodes that get it.
grant select
   on tenants, workspaces, providers, models, prices, routes, route_targets, keys, platform_secrets
   to eclusa_publisher;
grant select, update on provider_credentials, join_tokens to eclusa_publisher;
grant select, insert, update on snapshot_state, nodes, node_reports to eclusa_publisher;
grant select, insert, delete on snapshot_changes, snapshot_objects, snapshot_versions to eclusa_publisher;

-- Reads over all tenants: sums, lists of the platform, who may do what. No hashes and no secrets.
grant select
   on tenants, workspaces, members, bindings, sessions, usage_minutes, usage_hours, usage_days, audit_events
   to eclusa_reports;
grant select (id, email, name, status, created_at, updated_at, locale, email_verified_at) on users to eclusa_reports;
grant select (tenant_id, provider_id) on provider_credentials to eclusa_reports;
