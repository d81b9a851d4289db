-- Members of a tenant who are given roles together.
create table groups (
    tenant_id    uuid         not null,
    id           uuid         not null,
    name         text         not null,
    description  text         not null,
    created_at   timestamptz  not null,
    updated_at   timestamptz  not null,

    constraint groups_pkey                     primary key (tenant_id, id),
    constraint group_belongs_to_a_tenant       foreign key (tenant_id) references tenants (id),
    constraint group_name_fits                 check (octet_length(name) between 1 and 200),
    constraint group_description_fits          check (octet_length(description) <= 500)
);

create unique index group_name_is_unique on groups (tenant_id, lower(name));

create table group_members (
    tenant_id   uuid         not null,
    group_id    uuid         not null,
    user_id     uuid         not null,
    created_at  timestamptz  not null,

    constraint group_members_pkey              primary key (tenant_id, group_id, user_id),
    constraint group_member_is_of_a_group      foreign key (tenant_id, group_id)
                                               references groups (tenant_id, id) on delete cascade,
    constraint group_member_is_a_member        foreign key (tenant_id, user_id)
                                               references members (tenant_id, user_id) on delete cascade
);

create index group_members_by_user on group_members (user_id);

select isolate_by_tenant('groups');
select isolate_by_tenant('group_members');
grant select, insert, update, delete on groups, group_members to eclusa_app;
grant select on groups, group_members to eclusa_reports;
