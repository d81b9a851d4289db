-- A role given to a member in a scope: one workspace, or (workspace_id null) the whole tenant; in the
-- platform's own tenant the scope is the platform.
create table bindings (
    tenant_id     uuid         not null,
    id            uuid         not null,
    user_id       uuid         not null,
    workspace_id  uuid,
    role          text         not null,
    created_by    uuid,
    created_at    timestamptz  not null,

    constraint bindings_pkey                   primary key (tenant_id, id),
    constraint binding_is_of_a_member          foreign key (tenant_id, user_id)
                                               references members (tenant_id, user_id) on delete cascade,
    constraint binding_workspace_exists        foreign key (tenant_id, workspace_id)
                                               references workspaces (tenant_id, id) on delete cascade,
    constraint binding_is_given_once           unique nulls not distinct
                                               (tenant_id, user_id, workspace_id, role),
    constraint binding_role_fits               check (octet_length(role) between 1 and 63)
);

create index bindings_by_user on bindings (user_id);
