-- The rates of a model from a moment on, until its next price begins or it is ended: nano-USD per million tokens.
-- One that has begun is never changed and outlives its model, since usage names the price it was rated with: so
-- the model is no foreign key.
create table prices (
    tenant_id          uuid         not null,
    id                 uuid         not null,
    model_id           uuid         not null,
    effective_from     timestamptz  not null,
    effective_until    timestamptz,                            -- null: until another one begins
    input_rate         bigint       not null,
    cached_input_rate  bigint       not null,
    cache_write_rate   bigint       not null,
    output_rate        bigint       not null,
    reasoning_rate     bigint       not null,
    tier_above         bigint[]     not null default '{}',    -- tokens of input, rising
    tier_rates         bigint[]     not null default '{}',    -- five of each tier, one tier after the other
    batch_rates        bigint[]     not null default '{}',    -- five, or none
    created_at         timestamptz  not null,

    constraint prices_pkey                     primary key (tenant_id, id),
    constraint price_tiers_are_whole           check (cardinality(tier_rates) = 5 * cardinality(tier_above)
                                                      and cardinality(tier_above) <= 8
                                                      and cardinality(batch_rates) in (0, 5)),
    constraint price_belongs_to_a_tenant       foreign key (tenant_id) references tenants (id),
    constraint price_ends_after_it_begins      check (effective_until >= effective_from),
    -- a million dollars per million tokens: keeps tokens × rate inside 128 bits and the cost inside 64
    constraint price_rates_are_in_range        check (
        least(input_rate, cached_input_rate, cache_write_rate, output_rate, reasoning_rate) >= 0
        and greatest(input_rate, cached_input_rate, cache_write_rate, output_rate, reasoning_rate)
            <= 1000000000000000
    )
);

create index prices_by_model on prices (tenant_id, model_id, effective_from desc, id desc);
