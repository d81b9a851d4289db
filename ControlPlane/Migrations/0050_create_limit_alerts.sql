-- A budget's threshold was crossed: told once for each window.
create table limit_alerts (
    tenant_id     uuid         not null,
    id            uuid         not null,
    limit_id      uuid         not null,
    part          uuid         not null,
    window_start  timestamptz  not null,
    threshold     bigint       not null,              -- per cent
    used          bigint       not null,
    amount        bigint       not null,              -- of the limit at that moment
    crossed_at    timestamptz  not null,

    constraint limit_alerts_pkey               primary key (tenant_id, id),
    constraint limit_alert_is_of_a_limit       foreign key (tenant_id, limit_id)
                                               references limits (tenant_id, id) on delete cascade,
    constraint limit_alert_is_told_once        unique (tenant_id, limit_id, part, window_start, threshold)
);

select isolate_by_tenant('limit_alerts');

grant select on limit_alerts to eclusa_app;
grant select, insert, delete on limit_alerts to eclusa_publisher;
