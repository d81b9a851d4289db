-- Who did what to what. Append-only: one hash chain per tenant, and the platform's in its own tenant. No
-- foreign keys: history outlives what it names.
create table audit_events (
    tenant_id      uuid         not null,
    sequence       bigint       not null,          -- 1, 2, 3 … without a gap in each chain
    id             uuid         not null,
    occurred_at    timestamptz  not null,
    actor_kind     text         not null,
    actor_id       uuid,
    action         text         not null,          -- noun.verb, as everywhere
    target_kind    text         not null,
    target_id      text,                           -- as everywhere outside: key_01h…
    details        jsonb        not null,          -- before and after; secrets never
    address        text         not null,
    request_id     text         not null,
    previous_hash  bytea        not null,
    hash           bytea        not null,

    constraint audit_events_pkey               primary key (tenant_id, sequence),
    constraint audit_event_is_unique           unique (tenant_id, id),
    constraint audit_event_hashes_are_sha256   check (octet_length(previous_hash) = 32
                                                      and octet_length(hash) = 32)
);

create index audit_events_by_target on audit_events (tenant_id, target_id, sequence desc);
create index audit_events_by_actor  on audit_events (tenant_id, actor_id, sequence desc);
create index audit_events_by_time   on audit_events (tenant_id, occurred_at);
-- What somebody did, wherever.
create index audit_events_of_actor  on audit_events (actor_id, id desc);

-- The end of each chain. Its row is the lock under which the chain grows: take it last in a transaction.
create table audit_heads (
    tenant_id  uuid    not null,
    sequence   bigint  not null,
    hash       bytea   not null,

    constraint audit_heads_pkey                primary key (tenant_id)
);

-- The link: SHA-256 over the previous hash and every column, each with its length before it, so that no two
-- rows have the same bytes.
create function audit_hash(event audit_events) returns bytea language sql stable as $$
    select sha256(event.previous_hash || string_agg(int4send(coalesce(octet_length(field), -1))
                                                    || coalesce(field, ''), '' order by position))
      from unnest(array[
          uuid_send(event.tenant_id), int8send(event.sequence), uuid_send(event.id),
          timestamptz_send(event.occurred_at), textsend(event.actor_kind), uuid_send(event.actor_id),
          textsend(event.action), textsend(event.target_kind), textsend(event.target_id),
          convert_to(event.details::text, 'UTF8'), textsend(event.address), textsend(event.request_id)
      ]) with ordinality as fields (field, position)
$$;

-- Fills in sequence and hashes under the lock of the head.
create function append_to_audit_chain() returns trigger language plpgsql as $$
declare
    head audit_heads;
begin
    insert into audit_heads (tenant_id, sequence, hash)
    values (new.tenant_id, 0, sha256(uuid_send(new.tenant_id)))
    on conflict do nothing;

    select * into strict head from audit_heads where tenant_id = new.tenant_id for update;

    new.sequence      := head.sequence + 1;
    new.previous_hash := head.hash;
    new.hash          := audit_hash(new);

    update audit_heads set sequence = new.sequence, hash = new.hash where tenant_id = new.tenant_id;
    return new;
end
$$;

create trigger append_to_chain before insert on audit_events
    for each row execute function append_to_audit_chain();

create function refuse_to_change_history() returns trigger language plpgsql as $$
begin
    raise exception 'audit events are never changed' using errcode = 'insufficient_privilege';
end
$$;

create trigger history_stays before update or delete on audit_events
    for each row execute function refuse_to_change_history();

-- The first event of a part of a tenant's chain (`after` < sequence <= `upto`) that does not follow from the
-- one before it; null when the part holds. An end that was cut off counts as the event that is missing.
create function first_broken_audit_event(tenant uuid, after bigint default 0, upto bigint default 1::bigint << 62)
returns bigint language sql stable as $$
    select least(
        (select min(sequence)
           from (select sequence,
                        hash = audit_hash(event)
                        and previous_hash = lag(hash, 1, coalesce((select hash
                                                                     from audit_events
                                                                    where tenant_id = tenant
                                                                      and sequence = after),
                                                                  sha256(uuid_send(tenant)))) over chain
                        and sequence = after + row_number() over chain as holds
                   from audit_events as event
                  where tenant_id = tenant and sequence > after and sequence <= upto
                 window chain as (order by sequence)) as links
          where not holds),
        (select coalesce(last.sequence, 0) + 1
           from (select) as always
           left join audit_heads as head on head.tenant_id = tenant
           left join lateral (select sequence, hash
                                from audit_events
                               where tenant_id = tenant
                               order by sequence desc
                               limit 1) as last on true
          where coalesce(last.sequence, 0) <= upto
            and (coalesce(head.sequence, 0), coalesce(head.hash, sha256(uuid_send(tenant))))
                is distinct from
                (coalesce(last.sequence, 0), coalesce(last.hash, sha256(uuid_send(tenant))))))
$$;
