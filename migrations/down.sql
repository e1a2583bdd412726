-- The end of `sidegate migrate --down`, after the triggers: the schema, and the roles where no other
-- database uses them. Refused while a view of the application reads something of Sidegate's.
do $$
declare
    reader text;
    role   text;
begin
    select pg_catalog.string_agg(distinct w.ev_class::pg_catalog.regclass::text, ', ') into reader
    from pg_catalog.pg_depend d
    join pg_catalog.pg_rewrite w on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and w.oid = d.objid
    join pg_catalog.pg_class c on c.oid = w.ev_class and c.relnamespace <> 'sidegate'::pg_catalog.regnamespace
    join pg_catalog.pg_class s on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and s.oid = d.refobjid
        and s.relnamespace = 'sidegate'::pg_catalog.regnamespace;
    if reader is not null then
        raise exception 'views outside of schema sidegate read it: %', reader
            using errcode = 'dependent_objects_still_exist', hint = 'Drop them first.';
    end if;
    set local client_min_messages = 'warning';
    drop schema sidegate cascade;
    foreach role in array array['sidegate_reader', 'sidegate_owner'] loop
        begin
            execute pg_catalog.format('drop role %I', role);
        exception when dependent_objects_still_exist or insufficient_privilege then
            raise warning 'role % stays: % (%)', role, sqlerrm, sqlstate;
        end;
    end loop;
end
$$;
