-- A role is given to a user, a group or a service account; it is a built-in one (role) or the tenant's own
-- (role_id).
alter table bindings
    drop constraint binding_is_given_once,
    alter column user_id drop not null,
    alter column role    drop not null,
    add column group_id            uuid,
    add column service_account_id  uuid,
    add column role_id             uuid,
    add constraint binding_group_exists        foreign key (tenant_id, group_id)
                                               references groups (tenant_id, id) on delete cascade,
    add constraint binding_account_exists      foreign key (tenant_id, service_account_id)
                                               references service_accounts (tenant_id, id) on delete cascade,
    add constraint binding_role_exists         foreign key (tenant_id, role_id)
                                               references roles (tenant_id, id),
    add constraint binding_is_of_one           check (num_nonnulls(user_id, group_id, service_account_id)
                                                      = 1),
    add constraint binding_gives_one_role      check (num_nonnulls(role, role_id) = 1),
    add constraint binding_is_given_once       unique nulls not distinct
                                               (tenant_id, user_id, group_id, service_account_id,
                                                workspace_id, role, role_id);

create index bindings_by_group on bindings (tenant_id, group_id) where group_id is not null;
create index bindings_by_service_account on bindings (service_account_id)
    where service_account_id is not null;
create index bindings_by_role on bindings (tenant_id, role_id) where role_id is not null;
create index bindings_by_built_in_role on bindings (tenant_id, role, id desc) where role is not null;
create index bindings_by_workspace on bindings (tenant_id, workspace_id, id desc)
    where workspace_id is not null;
