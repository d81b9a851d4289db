-- Rotated keys and revoked nodes must be heard of at once: the publisher takes over keys when it is woken, and
-- the node listeners ask again who may still listen.
create function wake_publisher() returns trigger language plpgsql as $$
begin
    perform pg_notify('eclusa_changed', '');
    return null;
end
$$;

create function wake_node_listeners() returns trigger language plpgsql as $$
begin
    perform pg_notify('eclusa_nodes_changed', '');
    return null;
end
$$;

create trigger wake_publisher after insert or update on platform_secrets
    for each statement execute function wake_publisher();
create trigger wake_node_listeners after update of status on nodes
    for each statement execute function wake_node_listeners();
