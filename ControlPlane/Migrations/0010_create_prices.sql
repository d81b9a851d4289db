-- The rates of a model from a moment on, until its next price begins: nano-USD per million tokens. Never
-- changed, only followed; usage names the price it was rated with.
create table prices (
    tenant_id          uuid         not null,
    id                 uuid         not null,
    model_id           uuid         not null,
    effective_from     timestamptz  not null,
    input_rate         bigint       not null,
    cached_input_rate  bigint       not null,
    cache_write_rate   bigint       not null,
    output_rate        bigint       not null,
    reasoning_rate     bigint       not null,
    created_at         timestamptz  not null,

    constraint prices_pkey                     primary key (tenant_id, id),
    constraint price_is_of_a_model             foreign key (tenant_id, model_id)
                                               references models (tenant_id, id) on delete cascade,
    -- a million dollars per million tokens: keeps tokens × rate inside 128 bits and the cost inside 64
    constraint price_rates_are_in_range        check (
        least(input_rate, cached_input_rate, cache_write_rate, output_rate, reasoning_rate) >= 0
        and greatest(input_rate, cached_input_rate, cache_write_rate, output_rate, reasoning_rate)
            <= 1000000000000000
    )
);

create index prices_by_model on prices (tenant_id, model_id, effective_from desc, id desc);
