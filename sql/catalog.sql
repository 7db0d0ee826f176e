-- What every object of the extension has to have. Each query lists what breaks the rule.
\set members '(select classid, objid from pg_catalog.pg_depend where refclassid = ''pg_catalog.pg_extension''::regclass and refobjid = (select oid from pg_catalog.pg_extension where extname = ''cxsig'') and deptype = ''e'')'

-- a function that runs SQL text, or runs as its owner, has its search_path pinned
select p.oid::regprocedure as search_path_open
  from pg_catalog.pg_proc p
  join pg_catalog.pg_language l on l.oid = p.prolang
 where ('pg_catalog.pg_proc'::regclass, p.oid) in :members
   and ((l.lanname in ('sql', 'plpgsql') and p.prosqlbody is null) or p.prosecdef)
   and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false)
 order by p.oid::regprocedure::text;

-- PUBLIC may do nothing
select 'function' as kind, p.oid::regprocedure::text as open_to_public, a.privilege_type
  from pg_catalog.pg_proc p,
       pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
 where ('pg_catalog.pg_proc'::regclass, p.oid) in :members and a.grantee = 0
union all
select 'relation', c.oid::regclass::text, a.privilege_type
  from pg_catalog.pg_class c,
       pg_catalog.aclexplode(coalesce(c.relacl,
           pg_catalog.acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner))) a
 where ('pg_catalog.pg_class'::regclass, c.oid) in :members and a.grantee = 0
union all
select 'schema', n.nspname, a.privilege_type
  from pg_catalog.pg_namespace n,
       pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
 where n.nspname = 'cxsig' and a.grantee = 0
 order by 1, 2, 3;

-- pg_dump takes the rows of every table and the state of every sequence along
select c.oid::regclass as not_dumped
  from pg_catalog.pg_class c
 where ('pg_catalog.pg_class'::regclass, c.oid) in :members
   and c.relkind in ('r', 'S')
   and not exists (select from pg_catalog.pg_extension e
                    where e.extname = 'cxsig' and c.oid = any (e.extconfig))
 order by c.oid::regclass::text;

-- what may write is not called from a parallel worker
select p.oid::regprocedure as volatile_yet_parallel_safe
  from pg_catalog.pg_proc p
 where ('pg_catalog.pg_proc'::regclass, p.oid) in :members
   and p.provolatile = 'v' and p.proparallel = 's'
 order by p.oid::regprocedure::text;
