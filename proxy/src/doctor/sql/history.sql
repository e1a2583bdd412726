-- The migrations that were applied.
select version::bigint as version, name::text as name, checksum::text as checksum from sidegate.schema_history order by version;
