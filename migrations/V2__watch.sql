-- Triggers that write the change log: DESIGN §3, §5.
--
-- They do not refuse a write of the application: what a trigger cannot make out (a column was renamed)
-- it logs as '*', all facts. Only a log that cannot be written at all (no disk, or somebody took
-- sidegate_owner's right to it) ends a write: without the log, a right taken away could stay.
-- Statement-level with transition tables, ENABLE ALWAYS, so that a session with
-- session_replication_role = replica is seen as well.

create table sidegate.watches (
    -- names the trigger functions; a dump keeps it, oids it does not
    id       integer generated always as identity primary key,
    relation regclass not null unique,
    -- templates such as 'member:{team_id}:{user_id}'
    tags     text[]   not null,
    -- a row counts as changed when a tag or one of these differs
    columns  text[]   not null,
    -- whether new rows are logged
    inserts  boolean  not null
);

-- The SQL of one column as something to compare: equal only if every byte that a view could show is.
create function sidegate.comparable(name text, type regtype) returns text
    language sql stable set search_path = pg_catalog, pg_temp
as $$
    select case type::text
        when 'real' then format('float4send(%I)', name)
        when 'double precision' then format('float8send(%I)', name)
        when 'text' then format('%I collate "C"', name)
        when 'character varying' then format('%I collate "C"', name)
        else case
            when type::text in ('boolean', 'smallint', 'integer', 'bigint', 'uuid', 'date',
                                'timestamp without time zone', 'timestamp with time zone') then format('%I', name)
            -- Its own equality may be looser (citext, numeric), or missing (json). Its text is neither.
            else format('case when num_nonnulls(%1$I) = 1 then format(''%%s'', %1$I) collate "C" end', name)
        end
    end
$$;

-- The SQL of one template for a relation's rows.
create function sidegate.tag_expression(relation regclass, template text) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    part  text;
    named text;
    found regtype;
    sql   text[] := '{}';
begin
    -- Only revocations keep the kind of fact in a column.
    if template !~ '^(user|member|team|project|resource|key|session|token|\{kind\}):([^{}]|\{[^{}]+\})*\{[^{}]+\}([^{}]|\{[^{}]+\})*$'
       or (template like '{kind}%' and relation <> 'sidegate.revocations'::regclass) then
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

-- A relation, its partitions and the tables that inherit from it: whichever of them a statement names,
-- only that one's statement-level triggers fire.
create function sidegate.tree(relation regclass) returns setof regclass
    language sql stable rows 10 set search_path = pg_catalog, pg_temp
as $$
    with recursive tree (oid) as (
        select relation::oid
        union
        select i.inhrelid from pg_inherits i join tree on i.inhparent = tree.oid
    )
    select oid::regclass from tree
$$;

-- Every trigger that there should be, and how it is. `state` is 'ok', 'missing', 'disabled' (or not
-- ALWAYS) or 'different'.
create view sidegate.triggers as
select w.id as watch, w.relation as watched, t.relation, e.event, 'sidegate_' || e.event as name,
       p.oid::regprocedure as function,
       case
           when g.oid is null then 'missing'
           when g.tgfoid is distinct from p.oid or g.tgtype <> e.type or g.tgattr <> '' or g.tgqual is not null
               or g.tgoldtable is distinct from e.old_rows or g.tgnewtable is distinct from e.new_rows then 'different'
           when g.tgenabled <> 'A' then 'disabled'
           else 'ok'
       end as state
from sidegate.watches w
cross join lateral sidegate.tree(w.relation) as t (relation)
-- The bits of tgtype (pg_trigger.h): AFTER is 0, statement-level is 0, INSERT 4, DELETE 8, UPDATE 16, TRUNCATE 32.
join (values ('insert', 4, null::name, 'new_rows'::name), ('update', 16, 'old_rows', 'new_rows'),
             ('delete', 8, 'old_rows', null), ('truncate', 32, null, null))
     as e (event, type, old_rows, new_rows) on e.event <> 'insert' or w.inserts
left join pg_catalog.pg_proc p on p.pronamespace = 'sidegate'::regnamespace and p.pronargs = 0
    and p.proname = case e.event when 'truncate' then 'log_truncate' else 'watch_' || w.id || '_' || e.event end
left join pg_catalog.pg_trigger g on g.tgrelid = t.relation and g.tgname = 'sidegate_' || e.event and not g.tgisinternal
join pg_catalog.pg_class c on c.oid = t.relation;

create function sidegate.log_truncate() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into sidegate.change_log (tags) values ('{*}');
    return null;
end
$$;

-- Writes one trigger function. Where values are compared as text, that text must not depend on the
-- session of the application. `source` fills the variable `changed` with the tags of what changed: null
-- for nothing, and more than 1,000 count as all.
create function sidegate.write_function(name text, source text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $body$
declare
    -- The log is written outside of the block: a subtransaction that writes would cost every statement
    -- of the application a transaction id of its own.
    whole constant text := format($source$
#variable_conflict use_column
declare
    changed text[];
    many    bigint;
begin
    begin
        %s
    exception when others then
        changed := '{*}';
    end;
    if cardinality(changed) > 1000 then
        changed := '{*}';
    end if;
    if cardinality(changed) > 0 then
        insert into sidegate.change_log (tags) values (changed);
    end if;
    return null;
end
$source$, source);
begin
    if not exists (select from pg_proc p where p.pronamespace = 'sidegate'::regnamespace
                   and p.proname = name and p.prosrc = whole) then
        execute format('create or replace function sidegate.%I() returns trigger language plpgsql '
            'security definer set search_path = pg_catalog, pg_temp %s as %L', name,
            case when source like '%format(%' then 'set extra_float_digits = 3 set datestyle = ISO '
                'set intervalstyle = postgres set bytea_output = hex set timezone = UTC' else '' end, whole);
        execute format('revoke all on function sidegate.%I() from public', name);
        execute format('alter function sidegate.%I() owner to sidegate_owner', name);
    end if;
end
$body$;

-- The source of an insert's or delete's function: the tags of every row of a transition table.
create function sidegate.every_row(transition text, tags text[]) returns text
    language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select format('select array_agg(t.tag) into changed from (select v.tag from %s '
        'cross join lateral (values (%s)) as v (tag) where v.tag is not null limit 1001) as t;',
        transition, array_to_string(tags, '), ('))
$$;

-- The source of an update's function: the tags of the rows that differ, as they were and as they are.
-- One old and one new row, the usual case, are compared as they are; else (a row may also vanish on its
-- way to another partition) those that are as often among the old as among the new have not changed.
create function sidegate.changed_rows(tags text[], compared text[]) returns text
    language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select format($source$select m.many, case when (%2$s) is distinct from (%3$s) then array_remove(%4$s, null) end into many, changed
        from (select greatest((select count(*) from (select from old_rows limit 2) as l),
                              (select count(*) from (select from new_rows limit 2) as l))) as m (many),
             (select %1$s from old_rows limit 1) as o (%5$s), (select %1$s from new_rows limit 1) as n (%5$s);
        if many is distinct from 1 then
            select array_agg(t.tag) into changed from (
                select distinct r.tag from (
                    select unnest(array[%6$s]) from (select 1, %1$s from old_rows union all select -1, %1$s from new_rows) as d (n, %5$s)
                    group by %5$s having sum(n) <> 0
                ) as r (tag) where r.tag is not null limit 1001
            ) as t;
        end if;$source$,
        array_to_string(tags || compared, ', '),
        string_agg('o.c' || n, ', ' order by n), string_agg('n.c' || n, ', ' order by n),
        string_agg(format('case when o.c%1$s = n.c%1$s then array[o.c%1$s] else array[o.c%1$s, n.c%1$s] end', n), ' || ' order by n)
            filter (where n <= cardinality(tags)),
        string_agg('c' || n, ', ' order by n),
        string_agg('c' || n, ', ' order by n) filter (where n <= cardinality(tags)))
    from generate_series(1, cardinality(tags || compared)) as n
$$;

-- Creates what triggers a relation lacks. Takes SHARE ROW EXCLUSIVE on it, only if there is one to create.
create function sidegate.install(target regclass) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    wanted record;
    tables text;
begin
    for wanted in select * from sidegate.triggers t where t.relation = target and t.state <> 'ok' loop
        tables := case wanted.event
            when 'insert' then 'referencing new table as new_rows'
            when 'update' then 'referencing old table as old_rows new table as new_rows'
            when 'delete' then 'referencing old table as old_rows'
            else '' end;
        if wanted.state <> 'disabled' then
            execute format('create or replace trigger %I after %s on %s %s for each statement execute function %s',
                wanted.name, wanted.event, target, tables, wanted.function);
        end if;
        execute format('alter table %s enable always trigger %I', target, wanted.name);
    end loop;
end
$$;

-- Triggers of Sidegate that no watch wants any more.
create view sidegate.surplus as
select g.tgrelid::regclass as relation, g.tgname as name
from pg_catalog.pg_trigger g
join pg_catalog.pg_proc p on p.oid = g.tgfoid
where p.pronamespace = 'sidegate'::regnamespace and not g.tgisinternal
  and not exists (select from sidegate.triggers t where t.relation = g.tgrelid and t.name = g.tgname);

-- Drops from one relation the triggers that no watch wants. Takes ACCESS EXCLUSIVE on it, only if there is one to drop.
create function sidegate.remove(target regclass) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    name text;
begin
    for name in select s.name from sidegate.surplus s where s.relation = target loop
        execute format('drop trigger %I on %s', name, target);
    end loop;
end
$$;

-- Watches a table: writes its trigger functions, and creates the triggers unless sidegate.defer is 'on'
-- (`sidegate migrate` creates them one table at a time). `inserts => false` only where each row is one
-- resource and nothing else: what is not there is never cached, so a new resource need not be logged.
create function sidegate.watch(relation regclass, tags text[], columns text[], inserts boolean default true)
    returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    rel      alias for relation;
    wanted   alias for tags;
    noted    alias for columns;
    logged   alias for inserts;
    about    pg_class;
    col      text;
    id_      integer;
    tagged   text[];
    compared text[];
    part     regclass;
begin
    select * into about from pg_class c where c.oid = rel;
    if about.relkind not in ('r', 'p') or about.relpersistence = 't' then
        raise exception 'watch(%): expected a table', rel using errcode = 'wrong_object_type';
    end if;
    if wanted is null or cardinality(wanted) = 0 or noted is null or logged is null then
        raise exception 'watch(%): expected at least one tag, a list of columns (it may be empty) and whether inserts count', rel
            using errcode = 'invalid_parameter_value';
    end if;
    if not logged and (cardinality(wanted) > 1 or wanted[1] not like 'resource:%') then
        raise exception 'watch(%): inserts => false is only for a table whose every row is one resource and nothing else', rel
            using errcode = 'invalid_parameter_value';
    end if;
    foreach col in array noted loop
        if not exists (select from pg_attribute a where a.attrelid = rel and a.attname = col
                       and a.attnum > 0 and not a.attisdropped and a.attgenerated in ('', 's')) then
            raise exception 'watch(%): there is no column % that is stored', rel, col using errcode = 'undefined_column';
        end if;
    end loop;

    insert into sidegate.watches (relation, tags, columns, inserts) values (rel, wanted, noted, logged)
    on conflict (relation) do update set tags = excluded.tags, columns = excluded.columns, inserts = excluded.inserts
    returning id into id_;

    select array_agg(sidegate.tag_expression(rel, t.template)) into tagged from unnest(wanted) as t (template);
    compared := array(select sidegate.comparable(a.attname, a.atttypid::regtype) from pg_attribute a
                      where a.attrelid = rel and a.attname = any (noted) and a.attnum > 0 order by a.attnum);
    perform sidegate.write_function('watch_' || id_ || '_insert', sidegate.every_row('new_rows', tagged));
    perform sidegate.write_function('watch_' || id_ || '_delete', sidegate.every_row('old_rows', tagged));
    perform sidegate.write_function('watch_' || id_ || '_update', sidegate.changed_rows(tagged, compared));
    if current_setting('sidegate.defer', true) is distinct from 'on' then
        for part in select sidegate.tree(rel) loop
            perform sidegate.install(part);
        end loop;
    end if;
end
$$;

-- Ends a watch, and drops its triggers unless sidegate.defer is 'on'.
create function sidegate.unwatch(relation regclass) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    rel  alias for relation;
    id_  integer;
    part regclass;
begin
    delete from sidegate.watches where relation = rel returning id into id_;
    if id_ is null or current_setting('sidegate.defer', true) = 'on' then
        return;
    end if;
    for part in select sidegate.tree(rel) loop
        perform sidegate.remove(part);
    end loop;
    perform sidegate.forget();
end
$$;

-- Drops trigger functions that belong to no watch and to no trigger.
create function sidegate.forget() returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    name text;
begin
    for name in select p.proname from pg_proc p
                where p.pronamespace = 'sidegate'::regnamespace and p.proname ~ '^watch_\d+_(insert|update|delete)$'
                  and not exists (select from sidegate.watches w where p.proname ~ ('^watch_' || w.id || '_'))
                  and not exists (select from pg_trigger g where g.tgfoid = p.oid) loop
        execute format('drop function sidegate.%I()', name);
    end loop;
end
$$;

-- Lets go of a table for a migration of the application: the contract views that read it, and its
-- watch. `sidegate migrate` restores both. Nothing is cached then, and misses are answered with 503.
create function sidegate.release(target regclass) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    views text;
begin
    with recursive reader (oid) as (
        select t::oid from sidegate.tree(target) t
        union
        select w.ev_class from reader
        join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = reader.oid
        join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
    )
    select string_agg(c.oid::regclass::text, ', ') into views from reader join pg_class c using (oid)
    where c.relkind = 'v' and c.relnamespace = 'sidegate'::regnamespace;
    -- Without CASCADE: a view of the application over them is not ours to drop.
    if views is not null then
        execute 'drop view ' || views;
    end if;
    delete from sidegate.state where key = 'contract';
    perform sidegate.unwatch(target);
end
$$;

revoke all on all functions in schema sidegate from public;
grant execute on function sidegate.tree(regclass) to sidegate_reader;
grant select on sidegate.watches, sidegate.triggers, sidegate.surplus to sidegate_reader;
