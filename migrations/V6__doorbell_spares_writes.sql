-- The doorbell rings or stays silent, and never fails a write: also where an administrator has taken the right
-- to look at the queue away. What is left: the queue may fill between this look and the commit.
create or replace function sidegate.ring() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    begin
        if current_setting('max_prepared_transactions') = '0' and pg_notification_queue_usage() < 0.5 then
            notify sidegate_changes;
        end if;
    exception when others then
        null;
    end;
    return null;
end
$$;

-- One that hangs and does not always fire is mended too. Takes SHARE ROW EXCLUSIVE on the log.
create or replace function sidegate.hang_doorbell() returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_trigger where tgrelid = 'sidegate.change_log'::regclass and tgname = 'sidegate_ring') then
        create trigger sidegate_ring after insert on sidegate.change_log for each statement execute function sidegate.ring();
    end if;
    alter table sidegate.change_log enable always trigger sidegate_ring;
end
$$;

-- Every instance reads every row of the log: few long tags must not make one that is too long for them.
create or replace function sidegate.invalidate(tags text[]) returns xid8
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if coalesce(cardinality(tags), 0) = 0 or array_position(tags, null) is not null or '' = any (tags) then
        raise exception 'invalidate: expected tags such as ''member:TEAM:USER'', or ''*''' using errcode = 'invalid_parameter_value';
    end if;
    insert into sidegate.change_log (tags) values (
        case when cardinality(tags) > 1000 or octet_length(array_to_string(tags, '')) > 65536 then '{*}' else tags end);
    return pg_current_xact_id();
end
$$;
