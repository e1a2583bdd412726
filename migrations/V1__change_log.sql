-- What changed, in which database: DESIGN §5.
--
-- An ordinary table with an index on xid: nothing to create ahead, nothing that locks. Whoever reads
-- it asks for the rows that an earlier snapshot did not see; there are no sequence numbers, because
-- the order of commits is not the order of a sequence.
create table sidegate.change_log (
    -- the writer's top-level transaction
    xid  xid8        not null default pg_current_xact_id(),
    -- the facts that changed: 'user:U', 'member:T:U', 'project:P', 'resource:K:R', …; '*' is all
    tags text[]      not null,
    at   timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);
create index change_log_xid on sidegate.change_log (xid);

-- Rows of change_log with a smaller xid may be gone. One row.
create table sidegate.floor (
    singleton boolean primary key default true check (singleton),
    xid       xid8 not null,
    -- those below are gone: the next batch does not look there, where an old snapshot keeps the dead
    swept     xid8 not null default '0'
);
insert into sidegate.floor (xid) values (pg_snapshot_xmin(pg_current_snapshot()));

-- Snapshots' xmin by time: what the floor is raised to later.
create table sidegate.horizon (
    noted_at timestamptz primary key default clock_timestamp(),
    xid      xid8 not null
);

-- The random id of this database's life. Unlogged: crash recovery, promotion and restore empty it,
-- and after a crash Postgres uses transaction ids again that it had given away. A dump and a clone copy
-- it, so it holds only in the cluster and the database where it was made.
create unlogged table sidegate.incarnation (
    singleton boolean primary key default true check (singleton),
    id        uuid   not null default gen_random_uuid(),
    system    bigint not null,
    database  oid    not null
);

-- What Sidegate remembers about this database: the contract it applied, and the like.
create table sidegate.state (
    key        text primary key,
    value      jsonb       not null,
    changed_at timestamptz not null default now()
);

-- Which history an answer belongs to. An error on a standby, which has no say. One row. The start of the
-- server is part of it: a copy that was taken while it was stopped has everything else in common.
create view sidegate.history as
select c.system_identifier || '/' || d.oid                   as system,
       substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '/'
           || extract(epoch from pg_postmaster_start_time()) as timeline,
       i.id::text                                            as incarnation
from pg_control_system() c
join pg_database d on d.datname = current_database()
left join sidegate.incarnation i on i.system = c.system_identifier and i.database = d.oid;

-- Gives this life of the database its id, if it has none yet. A log that a dump brought along names
-- transactions of another cluster: what this one has not reached yet never happened here.
create function sidegate.begin_incarnation() returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into sidegate.incarnation as i (system, database)
    select c.system_identifier, d.oid from pg_control_system() c, pg_database d where d.datname = current_database()
    on conflict (singleton) do update set id = excluded.id, system = excluded.system, database = excluded.database
    where i.system <> excluded.system or i.database <> excluded.database;
    if found then
        delete from sidegate.change_log where xid >= pg_snapshot_xmax(pg_current_snapshot());
        delete from sidegate.horizon where xid > pg_snapshot_xmin(pg_current_snapshot());
        update sidegate.floor set swept = '0', xid = least(xid, pg_snapshot_xmin(pg_current_snapshot()));
    end if;
end
$$;

select sidegate.begin_incarnation();

-- One small batch of the log's clean-up: notes the snapshot's xmin (at most twice a minute), raises
-- the floor to what was noted `retention` ago, and deletes at most `batch` rows below it. Returns how
-- many, or null while another session is at it. Takes no lock that a writer of the log waits for.
create function sidegate.clean(retention interval, batch integer) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    target xid8;
    doomed tid[];
    last   xid8;
begin
    -- A reader cannot throw the retention away.
    if not pg_has_role(session_user, 'sidegate_owner', 'usage') then
        retention := greatest(retention, interval '10 minutes');
        batch := least(batch, 100000);
    end if;
    if not pg_try_advisory_xact_lock(7235419004138209645) then
        return null;
    end if;
    insert into sidegate.horizon (xid)
    select pg_snapshot_xmin(pg_current_snapshot())
    where not exists (select from sidegate.horizon
                      where noted_at between clock_timestamp() - interval '30 seconds' and clock_timestamp());
    select h.xid into target from sidegate.horizon h
    where h.noted_at <= clock_timestamp() - retention order by h.xid desc limit 1;
    if target is null then
        return 0;
    end if;
    update sidegate.floor set xid = target where xid < target;
    -- Below the one that counts now, none is needed again. A clock that was set back leaves some above.
    delete from sidegate.horizon where xid < target;
    select array_agg(d.ctid), (array_agg(d.xid order by d.xid desc))[1] into doomed, last
    from (select l.ctid, l.xid from sidegate.change_log l, sidegate.floor f
          where l.xid >= f.swept and l.xid < f.xid order by l.xid limit batch) d;
    if doomed is null then
        return 0;
    end if;
    delete from sidegate.change_log where ctid = any (doomed);
    update sidegate.floor set swept = last;
    return cardinality(doomed);
end
$$;

revoke all on function sidegate.begin_incarnation(), sidegate.clean(interval, integer) from public;
grant execute on function sidegate.begin_incarnation(), sidegate.clean(interval, integer) to sidegate_reader;
grant select on sidegate.change_log, sidegate.floor, sidegate.horizon, sidegate.incarnation,
    sidegate.state, sidegate.history to sidegate_reader;
