-- The doorbell (`database.doorbell`): who writes to the log tells the instances that listen, which then poll
-- at once. It carries nothing, and nothing depends on it. Off by default: NOTIFY takes a lock of the whole
-- server at commit, so transactions that write to the log commit one after the other.
create function sidegate.ring() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    -- It must not cost a write: a transaction that has notified cannot be prepared, and fails to commit when
    -- the queue of notifications is full, which any session that listens and sleeps can bring about.
    if current_setting('max_prepared_transactions') = '0' and pg_notification_queue_usage() < 0.5 then
        notify sidegate_changes;
    end if;
    return null;
end
$$;

-- Triggers of Sidegate that no watch wants any more, and a doorbell that is not wanted.
create or replace view sidegate.surplus as
select g.tgrelid::regclass as relation, g.tgname as name
from pg_catalog.pg_trigger g
join pg_catalog.pg_proc p on p.oid = g.tgfoid
where p.pronamespace = 'sidegate'::regnamespace and not g.tgisinternal
  and not exists (select from sidegate.triggers t where t.relation = g.tgrelid and t.name = g.tgname)
  and not (g.tgrelid = 'sidegate.change_log'::regclass and g.tgname = 'sidegate_ring'
           and exists (select from sidegate.state s where s.key = 'doorbell' and s.value = 'true'));

-- Hangs it. Takes SHARE ROW EXCLUSIVE on the log, only if it hangs not yet.
create function sidegate.hang_doorbell() returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_trigger where tgrelid = 'sidegate.change_log'::regclass and tgname = 'sidegate_ring') then
        create trigger sidegate_ring after insert on sidegate.change_log for each statement execute function sidegate.ring();
        alter table sidegate.change_log enable always trigger sidegate_ring;
    end if;
end
$$;

revoke all on function sidegate.ring(), sidegate.hang_doorbell() from public;
