-- The materialized view of who has access to what: DESIGN §6. Pairs that have access, by ownership or through
-- a team, and never all users times all resources. Beside the columns of the platform it holds every row that
-- a decision about the pair needs, all of one snapshot.
--
-- Who reads it compares `xid` with what has changed since (R2), so it may be as old as it likes: a change
-- that it may not have seen makes it silent about what has changed, and never wrong. A pair that is missing
-- proves nothing.

-- What the view was built from. No row: it was not built.
create table sidegate.mv_meta (
    singleton    boolean primary key default true check (singleton),
    -- the xmin of a snapshot taken before the refresh
    xid          xid8        not null,
    -- which life of the database, triggers, views and policy it is good for, in Sidegate's words
    namespace    text        not null,
    refreshed_at timestamptz not null,
    took         interval    not null,
    pairs        bigint      not null
);

-- Creates it empty over the contract's views, if it is not there. Run as sidegate_owner; sidegate_reader, who
-- may read them, owns it.
create function sidegate.build_view() returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    resources text;
begin
    if to_regclass('sidegate.mv_user_authorization_context') is not null then
        return false;
    end if;
    select string_agg(format('select %L, r.kind::text, r.id::text, r.owner_id::text, r.project_id::text, r.team_id::text, '
                             'r.status::text, r.updated_at::timestamptz from sidegate.%I r', substr(c.relname, 11), c.relname), ' union all ')
    into resources from pg_class c
    where c.relnamespace = 'sidegate'::regnamespace and c.relkind = 'v'
      and c.relname in ('resources_uuid', 'resources_bigint', 'resources_text');
    if resources is null or to_regclass('sidegate.subjects') is null then
        raise exception 'the contract''s views are not there' using hint = 'Run sidegate migrate.';
    end if;
    execute format($view$
        create materialized view sidegate.mv_user_authorization_context as
        with r (id_type, kind, id, owner_id, project_id, team_id, status, updated_at) as (%s),
        resource as (
            select r.*, p.id is not null as has_project, p.owner_id::text as project_owner_id,
                   p.team_id::text as project_team_id, p.visibility::text as visibility,
                   coalesce(r.team_id, p.team_id::text) as team
            from r left join sidegate.projects p on p.id::text = r.project_id
        ),
        membership as (
            select m.team_id::text as team, m.user_id::text as user_id, m.role::text as role,
                   greatest(least(extract(epoch from m.expires_at) * 1000000::numeric, 9223372036854775807),
                            -9223372036854775808)::bigint as end_micros,
                   m.expires_at
            from sidegate.memberships m
        ),
        pair (id_type, kind, id, user_id) as (
            select id_type, kind, id, owner_id from resource where owner_id is not null
            union
            select x.id_type, x.kind, x.id, m.user_id from resource x join membership m using (team)
        )
        select s.id::text                                                as user_id,
               x.id                                                      as generation_id,
               x.project_id                                              as project_id,
               case when x.owner_id = s.id::text then 'owner' when m.role is not null then m.role
                    when x.visibility = 'public' then 'viewer' end       as effective_role,
               coalesce(x.owner_id = s.id::text, false)                  as has_direct_access,
               m.role is not null                                        as has_team_access,
               coalesce(x.visibility in ('public', 'team_open'), false)  as has_public_access,
               x.id_type, x.kind, x.team as team_id, m.expires_at,
               coalesce(s.active::boolean, false) as active, s.roles::text[] as roles,
               x.owner_id, x.team_id as own_team_id, x.status, x.updated_at,
               x.has_project, x.project_owner_id, x.project_team_id, x.visibility,
               m.role, m.end_micros
        from pair join resource x using (id_type, kind, id)
        join sidegate.subjects s on s.id::text = pair.user_id
        left join membership m on m.team = x.team and m.user_id = pair.user_id
        with no data
    $view$, resources);
    create unique index mv_user_authorization_context_pair
        on sidegate.mv_user_authorization_context (user_id, kind, generation_id, id_type);
    create index mv_user_authorization_context_recent
        on sidegate.mv_user_authorization_context (updated_at desc nulls last);
    -- What the views call runs as the view's owner while it is built: it may do what the login may, and no more.
    grant create on schema sidegate to sidegate_reader;
    alter materialized view sidegate.mv_user_authorization_context owner to sidegate_reader;
    revoke create on schema sidegate from sidegate_reader;
    delete from sidegate.mv_meta;
    return true;
end
$$;

-- Removes it. True if it was there.
create function sidegate.drop_view() returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    delete from sidegate.mv_meta;
    if to_regclass('sidegate.mv_user_authorization_context') is null then
        return false;
    end if;
    drop materialized view sidegate.mv_user_authorization_context;
    return true;
end
$$;

-- Builds it anew for a namespace, unless that was done within `pause`, or within four times as long as it took:
-- however many ask, it is built a fifth of the time at most. A pause of 0 asks for it in any case. Returns the
-- number of pairs; null: there was nothing to do, or another session is at it.
create function sidegate.refresh_view(namespace text, pause interval) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    begun  timestamptz := clock_timestamp();
    seen   xid8;
    number bigint;
begin
    -- Or an old snapshot would go with a new name.
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'refresh_view: expected a transaction that is read committed';
    end if;
    if not pg_try_advisory_xact_lock(7235419004138209647) then
        return null;
    end if;
    if pause > interval '0' and exists (
            select from sidegate.mv_meta m where m.namespace = refresh_view.namespace
            and m.refreshed_at between begun - greatest(pause, 4 * m.took) and begun) then
        return null;
    end if;
    -- Before the refresh, whose statement takes a later snapshot: what that one sees and this one does not is
    -- taken for unseen.
    seen := pg_snapshot_xmin(pg_current_snapshot());
    if (select relispopulated from pg_class where oid = 'sidegate.mv_user_authorization_context'::regclass) then
        refresh materialized view concurrently sidegate.mv_user_authorization_context;
    else
        refresh materialized view sidegate.mv_user_authorization_context;
        analyze sidegate.mv_user_authorization_context;
    end if;
    select count(*) into number from sidegate.mv_user_authorization_context;
    insert into sidegate.mv_meta as m (xid, namespace, refreshed_at, took, pairs)
    values (seen, refresh_view.namespace, clock_timestamp(), clock_timestamp() - begun, number)
    on conflict (singleton) do update set xid = excluded.xid, namespace = excluded.namespace,
        refreshed_at = excluded.refreshed_at, took = excluded.took, pairs = excluded.pairs;
    return number;
end
$$;

revoke all on function sidegate.build_view(), sidegate.drop_view(), sidegate.refresh_view(text, interval) from public;
grant execute on function sidegate.refresh_view(text, interval) to sidegate_reader;
grant select on sidegate.mv_meta to sidegate_reader;
