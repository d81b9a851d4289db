-- Past calls rated anew: a correction for each call whose cost changes, beside the call, which stays as it was.
-- Sums and books follow in the same transaction.
create table reratings (
    tenant_id     uuid         not null,
    id            uuid         not null,
    model_id      uuid         not null,
    starts_at     timestamptz  not null,
    ends_at       timestamptz  not null,
    price_id      uuid,                              -- null: of each call the one that was in force
    markup        integer      not null,
    events        bigint       not null,             -- whose cost changed
    before_nanos  bigint       not null,             -- of these
    after_nanos   bigint       not null,
    created_at    timestamptz  not null,
    created_by    uuid,

    constraint reratings_pkey                  primary key (tenant_id, id),
    constraint rerating_has_a_period           check (starts_at < ends_at)
);

create table usage_corrections (
    tenant_id            uuid         not null,
    event_id             uuid         not null,
    rerating_id          uuid         not null,
    started_at           timestamptz  not null,      -- this and what follows: of the call
    workspace_id         uuid         not null,
    key_id               uuid         not null,
    route_id             uuid         not null,
    provider_id          uuid         not null,
    model_id             uuid         not null,
    price_id             uuid         not null,      -- what it is rated with now
    is_own               boolean      not null,      -- a price of the tenant's own
    cost_nanos           bigint       not null,      -- the difference
    provider_cost_nanos  bigint       not null,      -- the difference at the provider's prices

    constraint usage_corrections_pkey          primary key (tenant_id, event_id, rerating_id)
);

create index usage_corrections_by_rerating on usage_corrections (tenant_id, rerating_id);
create index usage_corrections_by_time on usage_corrections (tenant_id, started_at);

-- What a call costs by a price, as PriceTable.cost(of:) works it out: each component rounded half up to a
-- nano-dollar once, then summed.
create function rated_cost(price prices, input bigint, cached bigint, written bigint, output bigint,
                           reasoning bigint) returns bigint language sql immutable as $$
    select (div((input - cached - written)::numeric * rates[1] + 500000, 1000000)
            + div(cached::numeric * rates[2] + 500000, 1000000)
            + div(written::numeric * rates[3] + 500000, 1000000)
            + div((output - reasoning)::numeric * rates[4] + 500000, 1000000)
            + div(reasoning::numeric * rates[5] + 500000, 1000000))::bigint
      from (select coalesce((select price.tier_rates[5 * tier - 4 : 5 * tier]
                               from generate_subscripts(price.tier_above, 1) as tier
                              where input > price.tier_above[tier]
                              order by tier desc
                              limit 1),
                            array[price.input_rate, price.cached_input_rate, price.cache_write_rate,
                                  price.output_rate, price.reasoning_rate]) as rates) as chosen
$$;

select isolate_by_tenant('reratings');
select isolate_by_tenant('usage_corrections');

grant select, insert, delete on reratings, usage_corrections to eclusa_app;
grant update (cost_nanos) on usage_minutes, usage_hours, usage_days to eclusa_app;
grant select on usage_corrections to eclusa_reports;
