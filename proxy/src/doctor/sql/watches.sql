-- The watches of the application's tables, each with every table that its triggers are on.
select w.relation::regclass::text as name, w.tags, w.columns, w.inserts,
       array(select t.part::oid from sidegate.tree(w.relation) t (part)) as parts,
       -- Templates and columns that name no column any more: their triggers log '*'.
       array(select distinct u.name from (
                 select unnest(w.columns)
                 union all
                 select m.found[1] from unnest(w.tags) as g (template),
                     lateral regexp_matches(g.template, '\{([^{}]+)\}', 'g') m (found)
             ) as u (name)
             where not exists (select from pg_attribute a where a.attrelid = w.relation and a.attname = u.name
                               and a.attnum > 0 and not a.attisdropped)
             order by 1) as lost
from sidegate.watches w
where exists (select from pg_class c where c.oid = w.relation)
order by 1;
