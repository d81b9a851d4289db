-- The tests of providers under row-level security; and tenants see what providers and prices of the platform they
-- share, which hold no secret.
select isolate_by_tenant('provider_tests');
grant select, insert, update, delete on provider_tests to eclusa_app;

create policy platform_is_shared on providers
    for select using (tenant_id = '00000000-0000-0000-0000-000000000000');
create policy platform_is_shared on prices
    for select using (tenant_id = '00000000-0000-0000-0000-000000000000');
