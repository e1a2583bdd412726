-- Functions in views that hide what is read, or that answer differently although no row has changed.
-- $1: the views. PostgreSQL's own functions are pinned and thus not in pg_depend: the rule's tree has
-- their numbers.
with node (view, field, number) as (
    select w.ev_class, m.found[1], m.found[2]::oid
    from pg_rewrite w
    cross join lateral regexp_matches(w.ev_action::text,
        ':(funcid|opfuncid|opno|aggfnoid|winfnoid|tsmhandler|resulttype) (\d+)', 'g') m (found)
    where w.ev_class = any ($1)
), used (view, function) as (
    select view, number from node where field in ('funcid', 'opfuncid', 'aggfnoid', 'winfnoid', 'tsmhandler')
    union
    select n.view, o.oprcode from node n join pg_operator o on o.oid = n.number where n.field = 'opno'
    union
    -- A cast through text: 'today'::text::date. Only dates and times read the clock.
    select n.view, t.typinput from node n join pg_type t on t.oid = n.number
    where n.field = 'resulttype' and t.typcategory = 'D'
    union
    select w.ev_class, d.refobjid
    from pg_rewrite w
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_proc'::regclass
    where w.ev_class = any ($1)
)
select u.view::regclass::text as view, p.oid::regprocedure::text as function,
       -- what initdb has made (access/transam.h: FirstNormalObjectId)
       p.oid >= 16384 as foreign_code,
       p.provolatile <> 'i' or p.oid in (select number from node where field = 'tsmhandler') as unsteady
from used u
join pg_proc p on p.oid = u.function
where p.oid >= 16384 or p.provolatile <> 'i' or p.oid in (select number from node where field = 'tsmhandler')
union
select w.ev_class::regclass::text, 'current_user, current_date or the like', false, true
from pg_rewrite w
where w.ev_class = any ($1) and w.ev_action::text like '%{SQLVALUEFUNCTION %'
order by 1, 2;
