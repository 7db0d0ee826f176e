-- cxsig: install script. Joined by make from sql/install/*.sql in name order.
-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION cxsig" to load this file. \quit

set local search_path to pg_catalog, pg_temp;

comment on schema cxsig is 'cxsig: AI signals about support tickets, streamed to where people act';

do $$
begin
    -- Payloads are JSON, which is UTF-8; another encoding would need every string converted.
    if pg_catalog.current_setting('server_encoding') operator(pg_catalog.<>) 'UTF8' then
        raise exception using
            errcode = 'feature_not_supported',
            message = 'cxsig needs a database in UTF8',
            hint = 'CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0;';
    end if;
end
$$;
