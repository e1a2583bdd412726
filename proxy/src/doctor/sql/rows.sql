-- As whom each view reads each table, where that role sees less than all rows or may not read at all.
-- $1: the views. A view with security_invoker reads as whoever asks, below any other view too.
select v.oid::regclass::text as view, t.oid::regclass::text as relation,
       reader.rolname::text as reader, pg_get_userbyid(t.relowner)::text as owner, invoker.is as invoker,
       t.relforcerowsecurity as forced,
       t.relrowsecurity and not reader.rolsuper and not reader.rolbypassrls
           and (t.relforcerowsecurity or not pg_has_role(reader.oid, t.relowner, 'usage')) as filtered,
       not has_schema_privilege(reader.oid, t.relnamespace, 'usage')
           or exists (select from pg_depend d
                      where d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
                        and d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid and d.refobjsubid > 0
                        and not has_column_privilege(reader.oid, t.oid, d.refobjsubid::smallint, 'select')) as refused
from pg_class v
join pg_rewrite w on w.ev_class = v.oid and w.ev_type = '1'
join pg_class t on t.oid in (select d.refobjid from pg_depend d
                             where d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
                               and d.refclassid = 'pg_class'::regclass and d.refobjid <> v.oid)
cross join lateral (select coalesce((select o.option_value::boolean from pg_options_to_table(v.reloptions) o
                                     where o.option_name = 'security_invoker'), false)) as invoker ("is")
join pg_roles reader on case when invoker.is then reader.rolname = current_user else reader.oid = v.relowner end
where v.oid = any ($1) and t.relkind in ('r', 'p', 'v', 'm', 'f')
order by 1, 2;
