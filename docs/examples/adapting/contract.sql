-- What the archive's tables mean to Sidegate: docs/adapting.md explains it line by line.
--
-- `sidegate migrate` runs this file in one transaction, as the role of `database.migrate_url`.

-- Who may do anything at all, and which roles they have everywhere.
create view sidegate.subjects as
select a.id,
       a.disabled_at is null as active,
       array(select s.duty from archive.staff s where s.account_id = a.id) as roles
from archive.accounts a;

-- A team is an organisation.
create view sidegate.memberships as
select organisation_id as team_id,
       account_id as user_id,
       case level when 10 then 'reader' when 20 then 'writer' when 30 then 'manager' end as role,
       until as expires_at
from archive.organisation_users
where level in (10, 20, 30);

-- A project is a folder.
create view sidegate.projects as
select id,
       created_by as owner_id,
       organisation_id as team_id,
       case when is_public then 'public' else 'private' end as visibility
from archive.folders;

-- What has a number. Every part has exactly the same types, or no index is used: hence id::bigint.
create view sidegate.resources_bigint (kind, id, owner_id, project_id, team_id, status, updated_at) as
select 'document'::text, id, author_id, folder_id, null::integer, state, null::timestamptz
from archive.documents
union all
select 'folder', id, created_by, id, null, null, null
from archive.folders
union all
select 'organisation', id::bigint, null, null, id, null, null
from archive.organisations;

-- What has a name.
create view sidegate.resources_text (kind, id, owner_id, project_id, team_id, status, updated_at) as
select 'page'::text, slug, written_by, null::bigint, organisation_id, null::text, null::timestamptz
from archive.pages;

-- Which rows a change is about, and which columns matter.
select sidegate.watch('archive.accounts', array['user:{id}'], '{disabled_at}');
select sidegate.watch('archive.staff', array['user:{account_id}'], '{duty}');
select sidegate.watch('archive.organisation_users', array['member:{organisation_id}:{account_id}'], '{level,until}');
select sidegate.watch('archive.folders', array['project:{id}', 'resource:folder:{id}'],
                      '{created_by,organisation_id,is_public}');
select sidegate.watch('archive.documents', array['resource:document:{id}'], '{author_id,folder_id,state}', inserts => false);
select sidegate.watch('archive.organisations', array['resource:organisation:{id}'], '{}', inserts => false);
select sidegate.watch('archive.pages', array['resource:page:{slug}'], '{organisation_id,written_by}', inserts => false);
