-- What pg_dump takes along: every table and sequence of ours. Partitions made at run time are no
-- members of the extension and are dumped like any table. Secrets set by value are left behind: a
-- dump travels. A restored destination says which ones it misses. Tokens are left behind as well, and with
-- them refresh tokens newer than the secret: set that again. When the extension was created is a fact of
-- each database.

do $$
declare
    one record;
begin
    for one in
        select c.oid::pg_catalog.regclass as relation
        from pg_catalog.pg_class c
        where c.relnamespace operator(pg_catalog.=) 'cxsig'::pg_catalog.regnamespace
          and c.relkind operator(pg_catalog.=) any (array['r', 'p', 'S']::"char"[])
    loop
        perform pg_catalog.pg_extension_config_dump(one.relation,
            case when one.relation operator(pg_catalog.=) 'cxsig.secret'::pg_catalog.regclass then 'where value is null'
                 when one.relation operator(pg_catalog.=) 'cxsig.token'::pg_catalog.regclass then 'where false'
                 when one.relation operator(pg_catalog.=) 'cxsig.installation'::pg_catalog.regclass then 'where false'
                 else '' end);
    end loop;
end
$$;
