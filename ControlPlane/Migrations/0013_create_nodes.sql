-- A gateway process identity: whoever holds the private half of identity_key.
create table nodes (
    id                uuid         not null,
    name              text         not null,
    region            text         not null,
    status            text         not null,
    identity_key      bytea        not null,       -- Ed25519
    sealing_key       bytea        not null,       -- X25519: the fleet key is sealed to it
    software_version  text         not null,
    joined_at         timestamptz  not null,

    constraint nodes_pkey                      primary key (id),
    constraint node_identity_is_unique         unique (identity_key),
    constraint node_name_is_a_slug             check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    constraint node_region_is_a_slug           check (region ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    constraint node_status_is_known            check (status in ('active', 'draining', 'revoked')),
    constraint node_keys_are_32_bytes          check (octet_length(identity_key) = 32
                                                      and octet_length(sealing_key) = 32),
    constraint node_software_version_fits      check (octet_length(software_version) <= 64)
);

-- What each node last said of itself; rewritten every few seconds, so apart from the node and with room to
-- do it in place.
create table node_reports (
    node_id            uuid         not null,
    seen_at            timestamptz  not null,
    software_version   text         not null,
    process_nonce      text         not null,      -- two live processes with one identity are told apart by it
    started_at         timestamptz  not null,
    running_epoch      bigint,
    running_counter    bigint,
    running_issued_at  timestamptz,
    rejected_epoch     bigint,                     -- the newest snapshot it refused, where, and why
    rejected_counter   bigint,
    rejected_stage     text,
    rejected_reason    text,
    calls_in_flight    bigint       not null,
    outbox_events      bigint       not null,
    outbox_bytes       bigint       not null,
    draining           boolean      not null,

    constraint node_reports_pkey               primary key (node_id),
    constraint node_report_is_of_a_node        foreign key (node_id) references nodes (id) on delete cascade,
    constraint node_report_texts_fit           check (octet_length(software_version) <= 64
                                                      and octet_length(process_nonce) <= 64
                                                      and octet_length(rejected_stage) <= 64
                                                      and octet_length(rejected_reason) <= 2048)
) with (fillfactor = 50);
