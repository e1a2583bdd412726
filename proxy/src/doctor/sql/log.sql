-- The change log. One row.
select c.reltuples::bigint as rows, pg_total_relation_size(c.oid) as bytes, c.relpersistence::text as persistence,
       coalesce(extract(epoch from clock_timestamp()
           - (select l.at from sidegate.change_log l order by l.xid limit 1)), 0)::bigint as oldest_seconds,
       exists (select from sidegate.floor) as has_floor,
       exists (select from pg_trigger g where g.tgrelid = c.oid and g.tgname = 'sidegate_ring' and g.tgenabled = 'A') as doorbell,
       current_setting('max_prepared_transactions') <> '0' as silent,
       -- Transaction ids that this server has not given out yet are another one's.
       coalesce((select f.xid > pg_snapshot_xmax(pg_current_snapshot()) from sidegate.floor f), false)
           or exists (select from sidegate.change_log l where l.xid > pg_snapshot_xmax(pg_current_snapshot()))
           or exists (select from sidegate.horizon h where h.xid > pg_snapshot_xmax(pg_current_snapshot())) as alien
from pg_class c
where c.oid = 'sidegate.change_log'::regclass;
