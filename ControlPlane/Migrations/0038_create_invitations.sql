-- Asks somebody by e-mail into a tenant, with roles there or in one of its workspaces. The token is in the
-- message alone: here is its SHA-256.
create table invitations (
    tenant_id     uuid         not null,
    id            uuid         not null,
    email         text         not null,
    roles         text[]       not null,
    workspace_id  uuid,
    token_hash    bytea        not null,
    created_by    uuid         not null,
    created_at    timestamptz  not null,
    sent_at       timestamptz  not null,
    expires_at    timestamptz  not null,
    accepted_at   timestamptz,
    accepted_by   uuid,

    constraint invitations_pkey                primary key (tenant_id, id),
    constraint invitation_is_to_a_tenant       foreign key (tenant_id) references tenants (id)
                                               on delete cascade,
    constraint invitation_workspace_exists     foreign key (tenant_id, workspace_id)
                                               references workspaces (tenant_id, id) on delete cascade,
    -- Without the one who vouches for it an invitation is void.
    constraint invitation_is_by_a_user         foreign key (created_by) references users (id)
                                               on delete cascade,
    constraint invitation_token_is_unique      unique (token_hash),
    constraint invitation_token_is_hashed      check (octet_length(token_hash) = 32),
    constraint invitation_email_fits           check (octet_length(email) between 3 and 254),
    constraint invitation_gives_a_role         check (cardinality(roles) between 1 and 20),
    constraint invitation_use_is_complete      check ((accepted_at is null) = (accepted_by is null))
);

create unique index invitation_is_the_only_open_one on invitations (tenant_id, lower(email))
    where accepted_at is null;

select isolate_by_tenant('invitations');
grant select, insert, update, delete on invitations to eclusa_app;
