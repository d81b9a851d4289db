-- Answers that are given again to the same call; null: none.
alter table routes
    add column cache_seconds        integer,
    add column cache_maximum_bytes  integer,
    add constraint route_cache_is_whole check ((cache_seconds is null) = (cache_maximum_bytes is null)
                                               and cache_seconds between 1 and 604800
                                               and cache_maximum_bytes between 1024 and 1048576);
