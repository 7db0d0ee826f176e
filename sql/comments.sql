-- Everything of the extension that a user can see has a comment. Each query lists what lacks one.
\set members '(select classid, objid from pg_catalog.pg_depend where refclassid = ''pg_catalog.pg_extension''::regclass and refobjid = (select oid from pg_catalog.pg_extension where extname = ''cxsig'') and deptype = ''e'')'

-- the schema and the types
select 'schema' as kind, n.nspname as name
  from pg_catalog.pg_namespace n
 where n.nspname = 'cxsig'
   and pg_catalog.obj_description(n.oid, 'pg_namespace') is null
union all
select 'type', pg_catalog.format_type(t.oid, null)
  from pg_catalog.pg_type t
  left join pg_catalog.pg_class c on c.oid = t.typrelid
 where (('pg_catalog.pg_type'::regclass, t.oid) in :members or c.relkind = 'c')
   and t.typnamespace = 'cxsig'::regnamespace
   and t.typcategory <> 'A'
   and (c.oid is null or c.relkind = 'c')
   and pg_catalog.obj_description(t.oid, 'pg_type') is null
   and (c.oid is null or pg_catalog.obj_description(c.oid, 'pg_class') is null)
 order by 1, 2;

-- functions and procedures
select p.oid::regprocedure as function_without_comment
  from pg_catalog.pg_proc p
 where ('pg_catalog.pg_proc'::regclass, p.oid) in :members
   and pg_catalog.obj_description(p.oid, 'pg_proc') is null
 order by p.oid::regprocedure::text;

-- tables, views and sequences; those of identity columns belong to their tables
select c.relkind, c.oid::regclass as relation_without_comment
  from pg_catalog.pg_class c
 where ('pg_catalog.pg_class'::regclass, c.oid) in :members
   and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
   and not exists (select from pg_catalog.pg_depend d
                    where d.classid = 'pg_catalog.pg_class'::regclass
                      and d.objid = c.oid and d.deptype = 'i' and d.refobjsubid > 0)
   and pg_catalog.obj_description(c.oid, 'pg_class') is null
 order by c.oid::regclass::text;

-- columns of tables and views; a partition's are its parent's
select c.oid::regclass as relation, a.attname as column_without_comment
  from pg_catalog.pg_class c
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where ('pg_catalog.pg_class'::regclass, c.oid) in :members
   and c.relkind in ('r', 'p', 'v', 'm', 'f')
   and not c.relispartition
   and pg_catalog.col_description(c.oid, a.attnum) is null
 order by c.oid::regclass::text, a.attnum;
