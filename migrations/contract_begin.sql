-- Before a contract is applied, in its transaction: the views of the last one go.
-- Their triggers stay until `sidegate migrate` knows which are still wanted, and are created one table
-- at a time, so that no table of the application is locked while another one is waited for.
set local sidegate.defer = 'on';
set local client_min_messages = 'warning';
do $$
declare
    old text;
begin
    -- It reads them. `sidegate migrate` builds it anew.
    perform sidegate.drop_view();
    select pg_catalog.string_agg(c.oid::pg_catalog.regclass::text, ', ') into old from pg_catalog.pg_class c
    where c.relnamespace = 'sidegate'::pg_catalog.regnamespace and c.relkind = 'v'
      and c.relname not in ('history', 'triggers', 'surplus', 'revocation_records', 'key_records');
    -- Without CASCADE: a view of the application over them is not ours to drop.
    if old is not null then
        execute 'drop view ' || old;
    end if;
end
$$;
