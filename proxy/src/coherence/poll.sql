-- One poll of the change feed: one statement, and so one snapshot. $1: the xmax of the snapshot that was
-- applied last, $2: what was in progress in it, such as '{1,2}'. Both are null before the first.
--
-- At least one row: columns 1 to 6 are the same in each, 7 and 8 are a row of the log, if there is one, and 9 is
-- what is known now of the credentials that it names: what is missing there is gone. Only rows that the triggers of
-- those two tables have written name any (or an invalidation, sorted: `*` may come first), so that a bulk write of
-- the application costs no look-ups.
-- More than 10000 are not read one by one: see MOST_ROWS.
--
-- The fingerprint is of all that makes a change show in the log. The catalogs' rows are read as of this
-- snapshot: none shows a change without showing that a trigger was off when it was made. A change of a row
-- gives it another xmin, also a change back. It is made of, for each watched table, its partitions and
-- children: owner, file (a rewrite changes values without a trigger), row security, watch, triggers with
-- their functions, columns with their enums, subscriptions; and of the contract's views and the views that those read.
--
-- 20 times a second, so only by indexes: subqueries for one table or view each, and arrays, which the
-- planner takes for ten rows, where it would take a small table for a thousand and read the whole catalog.
with recursive
tables (oid) as (
    select w.oid from pg_catalog.unnest(array(select w.relation::pg_catalog.oid from sidegate.watches w)) as w (oid)
    union
    select i.oid from tables
    cross join pg_catalog.unnest(array(select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = tables.oid)) as i (oid)
),
views (oid) as (
    select (select c.oid from pg_catalog.pg_class c
            where c.relname = v.name and c.relnamespace = 'sidegate'::pg_catalog.regnamespace)
    from pg_catalog.unnest('{subjects,memberships,projects,resources_uuid,resources_bigint,resources_text,history}'::name[]) as v (name)
    union
    select d.oid from views
    cross join pg_catalog.unnest(array(
        select c.oid from pg_catalog.pg_rewrite r
        join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
            and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind in ('v', 'm')
        where r.ev_class = views.oid)) as d (oid)
),
parts (part) as (
    select pg_catalog.concat_ws(' ', 'table', tables.oid,
        (select pg_catalog.concat_ws(' ', c.relowner, c.relfilenode, c.relkind, c.relrowsecurity, c.relforcerowsecurity)
         from pg_catalog.pg_class c where c.oid = tables.oid),
        array(select pg_catalog.concat_ws(' ', w.xmin, w.tags, w.columns, w.inserts) from sidegate.watches w where w.relation = tables.oid),
        array(select pg_catalog.concat_ws(' ', g.oid, g.xmin, p.oid, p.xmin)
              from pg_catalog.pg_trigger g left join pg_catalog.pg_proc p on p.oid = g.tgfoid
              where g.tgrelid = tables.oid and g.tgname between 'sidegate_' and 'sidegate_z' order by 1),
        array(select pg_catalog.concat_ws(' ', s.srsubid, s.xmin) from pg_catalog.pg_subscription_rel s where s.srrelid = tables.oid),
        array(select pg_catalog.concat_ws(' ', a.attnum, a.xmin, (select t.xmin::text from pg_catalog.pg_type t where t.oid = a.atttypid and t.typtype <> 'b'),
                               array(select pg_catalog.concat_ws(' ', e.oid, e.xmin) from pg_catalog.pg_enum e where e.enumtypid = a.atttypid order by 1))
              from pg_catalog.pg_attribute a where a.attrelid = tables.oid and a.attnum > 0 order by 1))
    from pg_catalog.unnest(array(select t.oid from tables t)) as tables (oid)
    union all
    select pg_catalog.concat_ws(' ', 'view', views.oid,
        (select c.xmin::text from pg_catalog.pg_class c where c.oid = views.oid),
        array(select pg_catalog.concat_ws(' ', r.oid, r.xmin) from pg_catalog.pg_rewrite r where r.ev_class = views.oid order by 1))
    from pg_catalog.unnest(array(select v.oid from views v)) as views (oid)
),
head as materialized (
    select pg_catalog.pg_current_snapshot()::text as snapshot,
           h.system::text as system, h.timeline::text as timeline, h.incarnation::text as incarnation,
           (select f.xid::text from sidegate.floor f) as floor,
           (select pg_catalog.hashtextextended(text, 0)::text || ':' || pg_catalog.hashtextextended(text, 1)::text
            from (select pg_catalog.string_agg(part, ',' order by part collate "C") as text from parts) as all_parts) as fingerprint
    from sidegate.history h
)
select head.snapshot, head.system, head.timeline, head.incarnation, head.floor, head.fingerprint,
       log.xid::text, log.tags,
       case when log.tags[1] like 'credential:%' or log.tags[2] like 'credential:%' then array(
           select r.record from pg_catalog.unnest(log.tags) as t (tag)
           join sidegate.revocation_records r on r.kind = pg_catalog.split_part(t.tag, ':', 2)
               and r.value = pg_catalog.substr(t.tag, pg_catalog.length(pg_catalog.split_part(t.tag, ':', 2)) + 13)
           where t.tag like 'credential:%'
           union all
           select k.record from pg_catalog.unnest(log.tags) as t (tag)
           join sidegate.key_records k on k.id = pg_catalog.substr(t.tag, 16)
           where t.tag like 'credential:key:%') end as records
from head left join (
    (select l.xid, l.tags from sidegate.change_log l
     where l.xid >= $1::text::pg_catalog.xid8 order by l.xid limit 10001)
    union all
    (select l.xid, l.tags from sidegate.change_log l
     where l.xid = any ($2::text::pg_catalog.xid8[]) limit 10001)
) as log on true
