-- Roles that tenants make for themselves; the built-in ones are in the program.
create table roles (
    tenant_id    uuid         not null,
    id           uuid         not null,
    name         text         not null,
    description  text         not null,
    permissions  text[]       not null,
    created_at   timestamptz  not null,
    updated_at   timestamptz  not null,

    constraint roles_pkey                      primary key (tenant_id, id),
    constraint role_belongs_to_a_tenant        foreign key (tenant_id) references tenants (id),
    constraint role_name_fits                  check (octet_length(name) between 1 and 200),
    constraint role_description_fits           check (octet_length(description) <= 500),
    constraint role_permissions_are_few        check (cardinality(permissions) <= 500)
);

create unique index role_name_is_unique on roles (tenant_id, lower(name));

select isolate_by_tenant('roles');
grant select, insert, update, delete on roles to eclusa_app;
grant select on roles to eclusa_reports;
