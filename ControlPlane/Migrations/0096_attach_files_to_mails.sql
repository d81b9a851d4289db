-- A message may carry a file, which is sealed and forgotten with its text.
alter table mails
    drop constraint mail_text_ends_with_it,
    add constraint mail_text_ends_with_it      check ((status = 'waiting') = (sealed is not null)
                                                      and (status = 'waiting') = (finished_at is null)
                                                      and octet_length(sealed) <= 2097152);
