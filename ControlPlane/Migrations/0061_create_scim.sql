-- Users and groups that an identity provider manages through SCIM. What it says of a person stays with the
-- tenant: the account itself, which may belong to other tenants too, is made but never changed from here.
create table scim_users (
    tenant_id     uuid         not null,
    user_id       uuid         not null,
    user_name     text         not null,
    external_id   text,
    display_name  text,
    given_name    text,
    family_name   text,
    email         text         not null,
    active        boolean      not null,            -- whether they are a member
    made_account  boolean      not null,            -- whether their account was made with them
    created_at    timestamptz  not null,
    updated_at    timestamptz  not null,

    constraint scim_users_pkey                 primary key (tenant_id, user_id),
    constraint scim_user_belongs_to_a_tenant   foreign key (tenant_id) references tenants (id),
    constraint scim_user_is_a_user             foreign key (user_id) references users (id) on delete cascade,
    constraint scim_user_texts_fit             check (octet_length(user_name) between 1 and 254
                                                      and octet_length(external_id) <= 255
                                                      and octet_length(display_name) <= 255
                                                      and octet_length(given_name) <= 255
                                                      and octet_length(family_name) <= 255
                                                      and octet_length(email) between 3 and 254)
);

create unique index scim_user_name_is_unique on scim_users (tenant_id, lower(user_name));
create index scim_users_by_external_id on scim_users (tenant_id, external_id);

create table scim_groups (
    tenant_id    uuid  not null,
    group_id     uuid  not null,
    external_id  text,

    constraint scim_groups_pkey                primary key (tenant_id, group_id),
    constraint scim_group_is_a_group           foreign key (tenant_id, group_id)
                                               references groups (tenant_id, id) on delete cascade,
    constraint scim_group_external_id_fits     check (octet_length(external_id) <= 255)
);

-- Who is in a group as the provider says: those of them that are active are its members (group_members).
create table scim_group_members (
    tenant_id  uuid  not null,
    group_id   uuid  not null,
    user_id    uuid  not null,

    constraint scim_group_members_pkey         primary key (tenant_id, group_id, user_id),
    constraint scim_member_is_of_a_group       foreign key (tenant_id, group_id)
                                               references scim_groups (tenant_id, group_id) on delete cascade,
    constraint scim_member_is_a_scim_user      foreign key (tenant_id, user_id)
                                               references scim_users (tenant_id, user_id) on delete cascade
);

create index scim_group_members_by_user on scim_group_members (tenant_id, user_id);

select isolate_by_tenant('scim_users');
select isolate_by_tenant('scim_groups');
select isolate_by_tenant('scim_group_members');
grant select, insert, update, delete on scim_users, scim_groups, scim_group_members to eclusa_app;
