-- A user in a tenant. Membership of the platform's own tenant makes an administrator or auditor of the
-- platform.
create table members (
    tenant_id   uuid         not null,
    user_id     uuid         not null,
    created_at  timestamptz  not null,

    constraint members_pkey                    primary key (tenant_id, user_id),
    constraint member_belongs_to_a_tenant      foreign key (tenant_id) references tenants (id),
    constraint member_is_a_user                foreign key (user_id) references users (id) on delete cascade
);

create index members_by_user on members (user_id);
