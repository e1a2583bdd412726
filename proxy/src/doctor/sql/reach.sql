-- Every view that the contract's views read, themselves included. $1: their names.
-- A materialized view is not looked through, it is a copy; nor are PostgreSQL's own views.
with recursive reach (contract, view) as (
    select c.oid, c.oid
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'sidegate' and c.relname = any ($1) and c.relkind = 'v'
    union
    select r.contract, c.oid
    from reach r
    join pg_rewrite w on w.ev_class = r.view and w.ev_type = '1'
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
    join pg_class c on c.oid = d.refobjid and c.relkind = 'v'
        and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
)
select c.relname::text as contract, r.view, v.oid::regclass::text as view_name, w.ev_action::text as action
from reach r
join pg_class c on c.oid = r.contract
join pg_class v on v.oid = r.view
join pg_rewrite w on w.ev_class = r.view and w.ev_type = '1'
order by 1, 3;
