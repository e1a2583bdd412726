-- The contract with the example application: what its tables mean, and which changes count.
--
-- Written for tables users, teams, team_members, projects and generations. Another application's
-- contract has the same views over its own tables: docs/adapting.md. `sidegate migrate` runs this file
-- in one transaction, after dropping the views that it made before; unqualified names are looked up
-- by the search_path of the migrating role.

-- Who is there at all, and may do anything.
create view sidegate.subjects as
select id, is_active as active, '{}'::text[] as roles
from users;

create view sidegate.memberships as
select team_id, user_id, role, expires_at
from team_members;

create view sidegate.projects as
select id, user_id as owner_id, team_id, visibility
from projects;

-- One view per type of id. Team and visibility come through the project; a project is its own, a team
-- is its own, and a user owns itself.
create view sidegate.resources_uuid (kind, id, owner_id, project_id, team_id, status, updated_at) as
select 'generation'::text, id, user_id, project_id, null::uuid, status, updated_at from generations
union all
select 'project', id, user_id, id, null, null, updated_at from projects
union all
select 'team', id, null, null, id, null, null from teams
union all
select 'user', id, id, null, null, null, null from users;

-- Which rows a change is about, and which columns matter. Nothing is logged for a new generation or
-- team, nor for a generation's progress: `status` would have to be listed if the policy named statuses.
select sidegate.watch('users', array['user:{id}', 'resource:user:{id}'], '{is_active}');
select sidegate.watch('team_members', array['member:{team_id}:{user_id}'], '{role,expires_at}');
select sidegate.watch('projects', array['project:{id}', 'resource:project:{id}'], '{user_id,team_id,visibility}');
select sidegate.watch('teams', array['resource:team:{id}'], '{}', inserts => false);
select sidegate.watch('generations', array['resource:generation:{id}'], '{user_id,project_id}', inserts => false);
