-- A second target is asked after a percentile of the first one's own times to the first byte; 0: after a fixed time.
alter table routes
    add column hedge_percentile integer not null default 0,
    add constraint route_hedge_percentile_is_in_range check (hedge_percentile = 0
                                                             or hedge_percentile between 50 and 99);
