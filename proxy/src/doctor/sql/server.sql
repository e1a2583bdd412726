-- The server, and as whom we are connected. One row.
select current_setting('server_version_num')::integer        as version_number,
       split_part(current_setting('server_version'), ' ', 1) as version,
       pg_is_in_recovery()                                   as standby,
       -- Our own transaction is read only in any case.
       current_setting('default_transaction_read_only')::boolean as read_only,
       coalesce((select s.ssl from pg_stat_ssl s where s.pid = pg_backend_pid()), false) as encrypted,
       r.rolname::text                                       as role,
       r.rolsuper                                            as superuser,
       r.rolconnlimit                                        as role_limit,
       d.datname::text                                       as database,
       d.datconnlimit                                        as database_limit,
       current_setting('max_connections')::integer
           - current_setting('superuser_reserved_connections')::integer
           -- since version 16
           - coalesce(current_setting('reserved_connections', true), '0')::integer as server_limit,
       pg_has_role('pg_read_all_stats', 'usage')             as sees_sessions,
       exists (select from pg_namespace n where n.nspname = 'sidegate') as migrated
from pg_roles r, pg_database d
where r.rolname = current_user and d.datname = current_database();
