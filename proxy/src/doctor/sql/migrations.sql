-- What of Sidegate's own is not there, and whether a contract is. $1: relations, $2: functions.
select array(select 'sidegate.' || t.name from unnest($1::text[]) t (name)
             where not exists (select from pg_class c where c.relname = t.name
                               and c.relnamespace = (select n.oid from pg_namespace n where n.nspname = 'sidegate'))
             union all
             select 'sidegate.' || t.name || '()' from unnest($2::text[]) t (name)
             where not exists (select from pg_proc p where p.proname = t.name
                               and p.pronamespace = (select n.oid from pg_namespace n where n.nspname = 'sidegate'))
       ) as absent,
       -- Null where it is not there. Written by `sidegate migrate` alone.
       (select has_table_privilege(c.oid, 'select') from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'sidegate' and c.relname = 'schema_history') as history;
