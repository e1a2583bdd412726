-- After a contract was applied, in its transaction: rights, owners, and what it no longer watches.

-- Watches that this transaction has not written are of an earlier contract.
delete from sidegate.watches w
where w.xmin::text::bigint <> (pg_catalog.pg_current_xact_id()::text::bigint & 4294967295)
  and not exists (select from pg_catalog.pg_class c
                  where c.oid = w.relation and c.relnamespace = 'sidegate'::pg_catalog.regnamespace);

do $$
declare
    contract pg_catalog.regclass;
    owners   name[];
begin
    for contract in select c.oid::pg_catalog.regclass from pg_catalog.pg_class c
                    where c.relnamespace = 'sidegate'::pg_catalog.regnamespace and c.relkind = 'v'
                      and c.relname not in ('history', 'triggers', 'surplus', 'revocation_records', 'key_records') loop
        execute pg_catalog.format('revoke all on %s from public', contract);
        execute pg_catalog.format('grant select on %s to sidegate_reader', contract);
        -- A superuser's view would read with a superuser's rights: the tables' owner is enough.
        if (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user) then
            select pg_catalog.array_agg(distinct pg_catalog.pg_get_userbyid(t.relowner)) into owners
            from pg_catalog.pg_rewrite w
            join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
                and d.objid = w.oid and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            join pg_catalog.pg_class t on t.oid = d.refobjid and t.oid <> w.ev_class
            where w.ev_class = contract;
            if pg_catalog.cardinality(owners) = 1 then
                execute pg_catalog.format('alter view %s owner to %I', contract, owners[1]);
            end if;
        end if;
    end loop;
end
$$;
