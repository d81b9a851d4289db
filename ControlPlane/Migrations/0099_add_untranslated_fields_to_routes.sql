-- What becomes of members of a request that a provider's dialect has no words for.
alter table routes
    add column untranslated_fields text not null default 'drop',
    add constraint route_untranslated_fields_are_known check (untranslated_fields in ('drop', 'reject'));
