-- Every credential ends within the bound (DESIGN §4, §5): revocations of everybody's tokens, rotation and
-- import of service keys, and what instances read of both.

-- Tags of credentials are in a namespace of their own, which no table of the application can write: a poll looks
-- up what is known of those, and of no others.
create or replace function sidegate.tag_expression(relation regclass, template text) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    part  text;
    named text;
    found regtype;
    sql   text[] := '{}';
begin
    if template !~ '^(user|member|team|project|resource|credential):([^{}]|\{[^{}]+\})*\{[^{}]+\}([^{}]|\{[^{}]+\})*$'
       or (template like 'credential:%' and relation not in ('sidegate.revocations'::regclass, 'sidegate.service_keys'::regclass)) then
        raise exception 'watch(%): tag ''%'': expected a kind of fact and columns in braces, such as ''member:{team_id}:{user_id}''', relation, template
            using errcode = 'invalid_parameter_value';
    end if;
    for part in select m[1] from regexp_matches(template, '(\{[^{}]+\}|[^{}]+)', 'g') m loop
        if left(part, 1) <> '{' then
            sql := sql || quote_literal(part);
            continue;
        end if;
        named := btrim(part, '{}');
        select a.atttypid into found from pg_attribute a
        where a.attrelid = relation and a.attname = named and a.attnum > 0 and not a.attisdropped;
        if found is null then
            raise exception 'watch(%): tag ''%'': there is no column %', relation, template, named
                using errcode = 'undefined_column';
        end if;
        if found::text not in ('uuid', 'smallint', 'integer', 'bigint', 'text', 'character varying') then
            raise exception 'watch(%): tag ''%'': % is %; an id is uuid, smallint, integer, bigint, text or varchar', relation, template, named, found
                using errcode = 'datatype_mismatch';
        end if;
        sql := sql || format('%I::text', named);
    end loop;
    return array_to_string(sql, ' || ');
end
$$;

-- Of kind 'all', value '*': everybody's tokens. Where `before` is infinity, later ones are meant too: of a
-- session, or of a token that names itself.
alter table sidegate.revocations drop constraint revocations_kind_check;
alter table sidegate.revocations add constraint revocations_kind_check
    check (kind in ('user', 'session', 'token') or (kind = 'all' and value = '*'));
alter table sidegate.revocations add constraint revocations_value_length check (octet_length(value) <= 256);

alter table sidegate.service_keys
    -- who answers for it
    add owner text not null default '',
    -- what was good before a rotation, and until when it still is
    add previous_digest bytea check (octet_length(previous_digest) = 32),
    add previous_until  timestamptz,
    -- found by its digest: the secret is one that Sidegate has not made
    add imported boolean not null default false,
    add constraint service_keys_scopes check (array_position(scopes, null) is null),
    add constraint service_keys_previous check ((previous_digest is null) = (previous_until is null));
create unique index service_keys_imported on sidegate.service_keys (digest) where imported;
create index service_keys_imported_before on sidegate.service_keys (previous_digest) where imported and previous_digest is not null;
create index service_keys_subject on sidegate.service_keys (subject);
create index revocations_end on sidegate.revocations (expires_at) where expires_at is not null;

select sidegate.watch('sidegate.revocations', array['credential:{kind}:{value}'], '{before,expires_at}');
select sidegate.watch('sidegate.service_keys', array['credential:key:{id}'],
    '{digest,previous_digest,previous_until,imported,subject,scopes,created_at,expires_at,revoked_at}');

-- What instances read, as text that they understand. Times are microseconds since 1970; the ends of time are
-- the largest and the smallest number.
create view sidegate.revocation_records as
select r.kind, r.value,
       json_build_object('tag', 'credential:' || r.kind || ':' || r.value,
                         'before', greatest(least(extract(epoch from r.before) * 1000000, 9223372036854775807),
                                            -9223372036854775808)::bigint)::text as record
from sidegate.revocations r;

create view sidegate.key_records as
select k.id, k.imported, k.digest, k.previous_digest, k.subject,
       json_build_object('tag', 'credential:key:' || k.id, 'key', json_build_object(
           'digest', encode(k.digest, 'hex'),
           'previous_digest', encode(k.previous_digest, 'hex'),
           'previous_until', case when k.previous_until is not null then
                             greatest(least(extract(epoch from k.previous_until) * 1000000, 9223372036854775807),
                                      -9223372036854775808)::bigint end,
           'imported', k.imported, 'subject', k.subject, 'scopes', k.scopes,
           'created_at', greatest(least(extract(epoch from k.created_at) * 1000000, 9223372036854775807),
                                  -9223372036854775808)::bigint,
           'expires_at', case when k.expires_at is not null then
                         greatest(least(extract(epoch from k.expires_at) * 1000000, 9223372036854775807),
                                  -9223372036854775808)::bigint end,
           'revoked', k.revoked_at is not null))::text as record
from sidegate.service_keys k;

-- Takes away, for ever or until `keep` (then nothing that it is about can be good any more). `before` that is null is
-- now, by this clock; of a session or a token, for ever. Whatever was taken away before stays so. A user's keys end
-- for good: they may outlive the row here. The lock waits for keys that are being made.
create function sidegate.revoke(kind text, value text, before timestamptz, keep timestamptz, note text) returns xid8
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    until timestamptz;
begin
    if kind = 'user' then
        lock table sidegate.service_keys in share row exclusive mode;
    end if;
    until := coalesce(before, case when kind in ('session', 'token') then 'infinity' else clock_timestamp() end);
    insert into sidegate.revocations as r (kind, value, before, expires_at, note)
    values (kind, value, until, keep, note)
    on conflict on constraint revocations_pkey do update
        set before = greatest(r.before, excluded.before),
            expires_at = case when r.expires_at is null or excluded.expires_at is null then null
                              else greatest(r.expires_at, excluded.expires_at) end,
            note = excluded.note;
    if kind = 'user' then
        update sidegate.service_keys k set revoked_at = clock_timestamp()
        where k.subject = value and (before is null or k.created_at <= before) and k.revoked_at is null;
    end if;
    return pg_current_xact_id();
end
$$;

-- Whether there is such a key; one that was revoked stays revoked since then.
create function sidegate.revoke_key(key text) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    update sidegate.service_keys k set revoked_at = coalesce(k.revoked_at, clock_timestamp()) where k.id = key;
    return found;
end
$$;

-- That keys were used, now and then: no column of it is watched.
create function sidegate.keys_used(keys text[]) returns void
    language sql security definer set search_path = pg_catalog, pg_temp
as $$
    update sidegate.service_keys k set last_used_at = clock_timestamp()
    where k.id = any (keys) and (k.last_used_at is null or k.last_used_at < clock_timestamp() - interval '30 seconds')
$$;

-- Deletes what nothing can be good against any more, in a batch that the log can name row by row. How many.
create function sidegate.forget_revocations() returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
begin
    delete from sidegate.revocations r where r.ctid = any (array(
        select d.ctid from sidegate.revocations d
        where d.expires_at < clock_timestamp() - interval '5 minutes' limit 500 for update skip locked));
    get diagnostics gone = row_count;
    return gone;
end
$$;

revoke all on function sidegate.revoke(text, text, timestamptz, timestamptz, text), sidegate.revoke_key(text),
    sidegate.keys_used(text[]), sidegate.forget_revocations() from public;
-- They can only take away: the login that serves requests cannot make a key.
grant execute on function sidegate.revoke(text, text, timestamptz, timestamptz, text), sidegate.revoke_key(text),
    sidegate.keys_used(text[]), sidegate.forget_revocations() to sidegate_reader;
grant select on sidegate.revocation_records, sidegate.key_records to sidegate_reader;

-- Who changed what about keys and revocations, whichever way it was done. Never a digest.
create table sidegate.audit (
    at        timestamptz not null default clock_timestamp(),
    login     name        not null default session_user,
    operation text        not null,
    -- 'key:I', 'user:U', …
    about     text        not null,
    detail    jsonb       not null default '{}'
);
create index audit_at on sidegate.audit (at);

create function sidegate.audit_key() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into sidegate.audit (operation, about, detail)
    select case when tg_op = 'INSERT' then case when new.imported then 'import' else 'create' end
                when tg_op = 'DELETE' then 'delete'
                when old.revoked_at is null and new.revoked_at is not null then 'revoke'
                when old.digest <> new.digest then 'rotate'
                else 'change' end,
           'key:' || k.id,
           jsonb_build_object('subject', k.subject, 'scopes', k.scopes, 'owner', k.owner, 'expires_at', k.expires_at,
                              'previous_until', k.previous_until)
    from (select (case when tg_op = 'DELETE' then old else new end).*) k;
    return null;
end
$$;

create trigger audit_key after insert or delete
    or update of id, digest, previous_digest, previous_until, imported, subject, scopes, owner, created_at, expires_at, revoked_at
    on sidegate.service_keys for each row execute function sidegate.audit_key();

create function sidegate.audit_revocation() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into sidegate.audit (operation, about, detail)
    select case when tg_op = 'DELETE' then 'forget' else 'revoke' end, r.kind || ':' || r.value,
           jsonb_build_object('before', r.before, 'until', r.expires_at, 'note', r.note)
    from (select (case when tg_op = 'DELETE' then old else new end).*) r;
    return null;
end
$$;

create trigger audit_revocation after insert or delete or update
    on sidegate.revocations for each row execute function sidegate.audit_revocation();

revoke all on function sidegate.audit_key(), sidegate.audit_revocation() from public;

-- Those two are wanted, too.
create or replace view sidegate.surplus as
select g.tgrelid::regclass as relation, g.tgname as name
from pg_catalog.pg_trigger g
join pg_catalog.pg_proc p on p.oid = g.tgfoid
where p.pronamespace = 'sidegate'::regnamespace and not g.tgisinternal
  and not exists (select from sidegate.triggers t where t.relation = g.tgrelid and t.name = g.tgname)
  and not (g.tgrelid = 'sidegate.change_log'::regclass and g.tgname = 'sidegate_ring'
           and exists (select from sidegate.state s where s.key = 'doorbell' and s.value = 'true'))
  and not (g.tgrelid = 'sidegate.service_keys'::regclass and g.tgname = 'audit_key')
  and not (g.tgrelid = 'sidegate.revocations'::regclass and g.tgname = 'audit_revocation');
