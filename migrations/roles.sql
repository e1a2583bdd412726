-- The roles and the schema, before the first migration. Idempotent: run by every `sidegate migrate`.
--
-- sidegate_owner owns everything in schema `sidegate` but the contract's views; sidegate_reader reads
-- what a decision needs. Neither can log in. Whoever may not create roles gets both from an
-- administrator, and membership in sidegate_owner:
--     create role sidegate_owner nologin;
--     create role sidegate_reader nologin;
--     grant sidegate_reader to sidegate_owner;    -- for database.view
--     grant sidegate_owner to <the migrating role>;
--     grant sidegate_reader to <the login of database.url>;
do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'sidegate_owner') then
        create role sidegate_owner nologin;
    end if;
    if not exists (select from pg_catalog.pg_roles where rolname = 'sidegate_reader') then
        create role sidegate_reader nologin;
    end if;
    if not pg_catalog.pg_has_role(current_user, 'sidegate_owner', 'usage') then
        execute pg_catalog.format('grant sidegate_owner to %I', current_user);
    end if;
    -- For the materialized view, which belongs to the reader.
    if not pg_catalog.pg_has_role('sidegate_owner', 'sidegate_reader', 'usage') then
        begin
            grant sidegate_reader to sidegate_owner;
        exception when insufficient_privilege then
            raise warning 'sidegate_owner is no member of sidegate_reader: there can be no materialized view';
        end;
    end if;
    if exists (select from pg_catalog.pg_roles where rolname in ('sidegate_owner', 'sidegate_reader')
               and (rolcanlogin or rolsuper)) then
        raise exception 'sidegate_owner and sidegate_reader must be roles that cannot log in and are no superusers';
    end if;
    if exists (select from pg_catalog.pg_namespace where nspname = 'sidegate'
               and nspowner <> 'sidegate_owner'::pg_catalog.regrole) then
        raise exception 'schema sidegate belongs to somebody else' using hint = 'Whoever owns it could replace what is in it.';
    end if;
    if not exists (select from pg_catalog.pg_namespace where nspname = 'sidegate') then
        create schema sidegate authorization sidegate_owner;
        revoke all on schema sidegate from public;
        grant usage on schema sidegate to sidegate_reader;
    end if;
end
$$;
