-- From which day of the month on (UTC) invoices of the month before are issued by themselves; of the platform's
-- own row.
alter table billing_settings
    add column issue_day  smallint,                                    -- null: they are issued by hand
    add constraint billing_issue_day_is_a_day  check (issue_day between 1 and 28),
    add constraint billing_issue_day_is_the_platforms
                                               check (issue_day is null
                                                      or tenant_id = '00000000-0000-0000-0000-000000000000');
