-- What in schema sidegate everybody may do.
select a.kind, a.name, string_agg(distinct lower(g.privilege_type), ', ') as rights,
       bool_or(g.privilege_type not in ('SELECT', 'USAGE', 'EXECUTE', 'REFERENCES')) as writes
from (
    select 'schema' as kind, 'sidegate' as name, n.nspacl as acl, 'n'::"char" as type, n.nspowner as owner
    from pg_namespace n where n.nspname = 'sidegate'
    union all
    select case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass::text, c.relacl,
           case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'sidegate' and c.relkind in ('r', 'p', 'v', 'm', 'S')
    union all
    select 'function', p.oid::regprocedure::text, p.proacl, 'f', p.proowner
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'sidegate'
) a
cross join lateral aclexplode(coalesce(a.acl, acldefault(a.type, a.owner))) g
where g.grantee = 0
group by a.kind, a.name
order by a.kind, a.name;
