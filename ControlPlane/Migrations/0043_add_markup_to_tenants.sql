-- What a tenant pays on top of the platform's prices, in hundredths of a percent.
alter table tenants
    add column markup integer not null default 0,
    add constraint tenant_markup_is_in_range check (markup between 0 and 100000);
