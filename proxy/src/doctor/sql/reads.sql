-- What views read that is no view, by column (0: rows only; negative: a column of the system).
-- $1: the views. PostgreSQL's own tables are pinned and thus not in pg_depend, but in the rule.
select x.view, x.relation, c.oid::regclass::text as name, c.relkind::text as kind,
       c.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) as of_system,
       x.number, a.attname::text as column_name,
       exists (select from sidegate.tree(c.oid::regclass) t (part)
               join pg_class p on p.oid = t.part and p.relkind = 'f') as has_foreign
from (
    select w.ev_class as view, d.refobjid as relation, d.refobjsubid as number
    from pg_rewrite w
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
    where w.ev_class = any ($1)
    union
    select w.ev_class, m.found[1]::oid, 0
    from pg_rewrite w
    cross join lateral regexp_matches(w.ev_action::text, ':relid (\d+)', 'g') m (found)
    where w.ev_class = any ($1)
) x
join pg_class c on c.oid = x.relation and (c.relkind <> 'v' or c.relnamespace = 'pg_catalog'::regnamespace
                                           or c.relnamespace = 'information_schema'::regnamespace)
left join pg_attribute a on a.attrelid = x.relation and a.attnum = x.number
where x.view <> x.relation
order by c.relname, x.view, x.number;
