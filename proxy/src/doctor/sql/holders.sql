-- Who holds back what may be cleaned up and which answers may be shared, the oldest first. Of the
-- sessions of others, begin and state are null without pg_read_all_stats. There is a lower bound then as
-- well: transaction ids are given out in order, so what was logged under a later one is younger; and a
-- snapshot that is older than one that the clean-up has noted was taken before it.
with holder (kind, number, name, application, state, began, xid) as (
    select 'session', a.pid::text, a.usename::text, a.application_name, a.state, a.xact_start, x.xid
    from pg_stat_activity a
    cross join lateral (values (a.backend_xid), (a.backend_xmin)) as x (xid)
    where a.pid <> pg_backend_pid() and a.backend_type is distinct from 'autovacuum worker'
      and (a.datname = current_database() or a.backend_xid is not null or a.datname is null)
    union all
    select 'prepared', p.gid, p.owner::text, null, null, p.prepared, p.transaction from pg_prepared_xacts p
    union all
    select 'slot', s.slot_name::text, null, null, case when s.active then 'active' else 'inactive' end, null, x.xid
    from pg_replication_slots s
    cross join lateral (values (s.xmin), (s.catalog_xmin)) as x (xid)
), known as (
    -- The xid8 of an xid: the one nearest to the snapshot's.
    select h.*, (s.xmax - (((s.xmax - h.xid::text::bigint + 2147483648) & 4294967295) - 2147483648))::text::xid8 as full_xid
    from holder h, (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xmax) s
    where h.xid is not null
)
select h.kind, h.number, coalesce(h.name, '') as name, coalesce(h.application, '') as application,
       coalesce(h.state, '') as state,
       max(extract(epoch from clock_timestamp() - coalesce(h.began, least(
           (select l.at from sidegate.change_log l where l.xid > h.full_xid order by l.xid limit 1),
           (select min(n.noted_at) from sidegate.horizon n where n.xid > h.full_xid)))))::bigint as seconds
from known h
group by 1, 2, 3, 4, 5
order by seconds desc nulls last, 1, 2
limit 20;
