-- A project inside a tenant; keys and reports hang here.
create table workspaces (
    tenant_id   uuid         not null,
    id          uuid         not null,
    slug        text         not null,
    name        text         not null,
    created_at  timestamptz  not null,
    updated_at  timestamptz  not null,

    constraint workspaces_pkey                 primary key (tenant_id, id),
    constraint workspace_belongs_to_a_tenant   foreign key (tenant_id) references tenants (id),
    constraint workspace_slug_is_unique        unique (tenant_id, slug),
    constraint workspace_slug_is_a_slug        check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    constraint workspace_name_fits             check (octet_length(name) between 1 and 200)
);
