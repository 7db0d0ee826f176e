-- Roles. They are cluster-wide and outlive the extension, so they are made only where missing.
-- cxsig_worker may log in, with a connection limit of 0: a background worker is not counted
-- against the limit, an ordinary session is, and is refused.

do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname operator(pg_catalog.=) 'cxsig_writer') then
        create role cxsig_writer nologin;
        comment on role cxsig_writer is 'cxsig: may record signals';
    end if;
    if not exists (select from pg_catalog.pg_roles where rolname operator(pg_catalog.=) 'cxsig_reader') then
        create role cxsig_reader nologin;
        comment on role cxsig_reader is 'cxsig: may read the views and the log';
    end if;
    if not exists (select from pg_catalog.pg_roles where rolname operator(pg_catalog.=) 'cxsig_admin') then
        create role cxsig_admin nologin;
        comment on role cxsig_admin is 'cxsig: may define destinations, secrets and the taxonomy, and repair';
    end if;
    if not exists (select from pg_catalog.pg_roles where rolname operator(pg_catalog.=) 'cxsig_worker') then
        create role cxsig_worker login connection limit 0 noinherit;
        comment on role cxsig_worker is 'cxsig: what the dispatcher runs as; no session can log in as it';
    end if;
    execute pg_catalog.format('grant connect on database %I to cxsig_worker',
                              pg_catalog.current_database());
end
$$;
