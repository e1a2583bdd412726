-- Before a contract is applied, in its transaction: the views of the last one go.
-- Their triggers stay until `sidegate migrate` knows which are still wanted, and are created one table
-- at a time, so that no table of the application is locked while another one is waited for.
set local sidegate.defer = 'on';
set local client_min_messages = 'warning';
-- A migrating role that is called sidegate has this schema in its path ("$user"): `projects` would mean
-- the contract's own view.
select pg_catalog.set_config('search_path', (
    select pg_catalog.string_agg(pg_catalog.quote_ident(s.name), ', ') from pg_catalog.unnest(pg_catalog.current_schemas(false)) as s (name)
    where s.name <> 'sidegate'), true);
do $$
declare
    old text;
begin
    select pg_catalog.string_agg(c.oid::pg_catalog.regclass::text, ', ') into old from pg_catalog.pg_class c
    where c.relnamespace = 'sidegate'::pg_catalog.regnamespace and c.relkind = 'v'
      and c.relname not in ('history', 'triggers', 'surplus');
    -- Without CASCADE: a view of the application over them is not ours to drop.
    if old is not null then
        execute 'drop view ' || old;
    end if;
end
$$;
