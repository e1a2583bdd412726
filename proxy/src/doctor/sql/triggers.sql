-- Triggers that are not as they should be, by table.
select t.relation::text as relation, t.state, string_agg(t.event, ', ' order by t.event) as events
from sidegate.triggers t where t.state <> 'ok'
group by t.relation, t.state
union all
select s.relation::text, 'surplus', string_agg(s.name::text, ', ' order by s.name)
from sidegate.surplus s
group by s.relation
union all
-- Written by a logical subscription: no statement-level trigger runs for what it applies.
select p.part::text, 'subscribed', ''
from sidegate.watches w cross join lateral sidegate.tree(w.relation) p (part)
where p.part in (select r.srrelid from pg_subscription_rel r)
order by 2, 1;
