-- The columns of the contract's views. $1: their names.
select c.relname::text as view, c.relkind::text as kind,
       a.attname::text as column_name,
       format_type(a.atttypid, a.atttypmod) as type,
       -- The bare name of a type of PostgreSQL's own; null for domains, extensions' and users' types.
       case when t.typtype = 'b' and t.typnamespace = 'pg_catalog'::regnamespace then t.typname::text end as base,
       t.typtype = 'd' as is_domain,
       coalesce(l.collisdeterministic, true) as bytewise,
       coalesce(l.collname::text, '') as collation
from pg_class c
join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'sidegate'
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
left join pg_collation l on l.oid = a.attcollation
where c.relname = any ($1)
order by c.relname, a.attnum;
