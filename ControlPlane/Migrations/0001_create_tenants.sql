-- A tenant is the isolation boundary: every other table that belongs to one has tenant_id first in its key,
-- so that rows of one tenant lie together and the schema can be distributed by tenant without being
-- rewritten.
create table tenants (
    id          uuid         not null,
    slug        text         not null,
    name        text         not null,
    status      text         not null,
    created_at  timestamptz  not null,
    updated_at  timestamptz  not null,

    constraint tenants_pkey                    primary key (id),
    constraint tenant_slug_is_unique           unique (slug),
    constraint tenant_slug_is_a_slug           check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    constraint tenant_name_fits                check (octet_length(name) between 1 and 200),
    constraint tenant_status_is_known          check (status in ('active', 'suspended'))
);

-- What the platform itself owns (shared providers, its own members, its audit chain) hangs on this one row,
-- so that tenant_id is never null and every key and foreign key has one form. Store hides it from lists of
-- tenants.
insert into tenants (id, slug, name, status, created_at, updated_at)
values ('00000000-0000-0000-0000-000000000000', 'platform', 'Platform', 'active', 'epoch', 'epoch');

-- The tenant of this transaction: what withTenant has set, or null, and then no row of any tenant is seen.
create function current_tenant() returns uuid language sql stable parallel safe as $$
    select nullif(current_setting('eclusa.tenant', true), '')::uuid
$$;

-- Lets every role without BYPASSRLS, the owner too, see and write only the rows of current_tenant(). The
-- subselect is worked out once for each statement, not for each row.
create function isolate_by_tenant(guarded regclass, tenant_column name default 'tenant_id') returns void
language plpgsql as $$
begin
    execute format('alter table %s enable row level security', guarded);
    execute format('alter table %s force row level security', guarded);
    execute format('create policy tenant_isolation on %s using (%I = (select current_tenant()))', guarded,
                   tenant_column);
end
$$;
