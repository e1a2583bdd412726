-- An administrator's word that facts have changed: `sidegate invalidate` (DESIGN §5). It goes into the log
-- that the triggers write, so there is one path. Returns the transaction that tells of it.
create function sidegate.invalidate(tags text[]) returns xid8
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if coalesce(cardinality(tags), 0) = 0 or array_position(tags, null) is not null or '' = any (tags) then
        raise exception 'invalidate: expected tags such as ''member:TEAM:USER'', or ''*''' using errcode = 'invalid_parameter_value';
    end if;
    insert into sidegate.change_log (tags) values (case when cardinality(tags) > 1000 then '{*}' else tags end);
    return pg_current_xact_id();
end
$$;

revoke all on function sidegate.invalidate(text[]) from public;
-- It can cost a reader's fellows a cache, never a right.
grant execute on function sidegate.invalidate(text[]) to sidegate_reader;
