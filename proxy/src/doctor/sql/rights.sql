-- What the connected role may not do and has to. $1: the contract's views.
-- What is not there at all is for others to say.
with wanted (kind, name) as (
    select 'select', unnest($1::text[] || array[
        'state', 'history', 'change_log', 'floor', 'horizon', 'incarnation',
        'watches', 'triggers', 'surplus', 'service_keys', 'revocations',
        'revocation_records', 'key_records'])
    union all
    select 'execute', unnest(array['begin_incarnation', 'clean', 'tree', 'revoke', 'revoke_key', 'keys_used', 'forget_revocations'])
)
select w.kind, 'sidegate.' || w.name as name
from wanted w
join pg_namespace n on n.nspname = 'sidegate'
left join pg_class c on c.relnamespace = n.oid and c.relname = w.name and w.kind = 'select'
left join pg_proc p on p.pronamespace = n.oid and p.proname = w.name and w.kind = 'execute'
where case w.kind when 'select' then not has_table_privilege(c.oid, 'select')
                  else not has_function_privilege(p.oid, 'execute') end
union all
select 'usage', 'sidegate' where not has_schema_privilege('sidegate', 'usage')
order by 1, 2;
