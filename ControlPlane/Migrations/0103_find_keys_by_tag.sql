-- The tags of keys once more, a row each: row-level security closes the index on the list itself to the admin
-- API's role, as the operators of lists are not known to tell nothing. Triggers keep them.
create table key_tags (
    tenant_id  uuid  not null,
    tag        text  not null,
    key_id     uuid  not null,

    constraint key_tags_pkey           primary key (tenant_id, tag, key_id),
    constraint key_of_a_tag_exists     foreign key (tenant_id, key_id) references keys (tenant_id, id)
                                       on delete cascade
);

create index key_tags_by_key on key_tags (tenant_id, key_id);

create function note_key_tags() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        delete from key_tags where tenant_id = new.tenant_id and key_id = new.id;
    end if;
    insert into key_tags (tenant_id, tag, key_id)
    select distinct new.tenant_id, tag, new.id from unnest(new.tags) as tag;
    return null;
end
$$;

create trigger note_tags_of_new after insert on keys
    for each row when (new.tags <> '{}') execute function note_key_tags();
create trigger note_tags_of_changed after update of tags on keys
    for each row when (new.tags is distinct from old.tags) execute function note_key_tags();

-- Those there are, of all tenants at once.
alter table keys no force row level security;
insert into key_tags (tenant_id, tag, key_id)
select distinct tenant_id, tag, id from keys, unnest(tags) as tag;
alter table keys force row level security;

drop index keys_by_tag;
-- Of the kinds that are few.
create index keys_by_kind on keys (tenant_id, kind, id desc) where kind <> 'application';

select isolate_by_tenant('key_tags');
grant select, insert, delete on key_tags to eclusa_app;
