-- Tables whose ids have every type that a contract may have, and the contract over them.
-- The superuser of the tests has the name of the schema, which would come first.
set search_path = public;

create schema sidegate;

create table users (id uuid primary key, active boolean, roles varchar[]);
create table members (team text, member uuid, role text, ends timestamptz, primary key (team, member));
create index members_member on members (member);
create table projects (id integer primary key, owner uuid, team text, visibility text);
create table documents (id text primary key, owner uuid, project integer, team text, status text);
create table tickets (id smallint primary key, owner uuid, project integer, team text, status text);
create table blobs (id uuid primary key, owner uuid, project integer, team text, status text);
create table life (id text);
create table batches (deleted bigint);

create view sidegate.subjects as select id, active, roles from users;
create view sidegate.memberships as
    select team as team_id, member as user_id, role, ends as expires_at from members;
create view sidegate.projects as
    select id, owner as owner_id, team as team_id, visibility from projects;
create view sidegate.resources_text as
    select 'document'::text as kind, id, owner as owner_id, project as project_id, team as team_id, status
    from documents;
create view sidegate.resources_bigint as
    select 'ticket'::text as kind, id, owner as owner_id, project as project_id, team as team_id, status
    from tickets;
create view sidegate.resources_uuid as
    select 'blob'::text as kind, id, owner as owner_id, project as project_id, team as team_id, status
    from blobs
    union all
    select 'user', id, id, null, null, null from users;
create view sidegate.history as
    select (select system_identifier::text from pg_control_system()) as system,
           substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as timeline,
           (select id from life) as incarnation;
create function sidegate.begin_incarnation() returns void language sql set search_path = public
    as $$ insert into life values ('a life') $$;
create function sidegate.clean(retention interval, batch integer) returns bigint language sql set search_path = public
    as $$ delete from batches where ctid = (select ctid from batches order by deleted desc limit 1)
          returning deleted $$;

insert into batches values (5000), (5000), (3);
insert into users values
    ('a11ce000-0000-4000-8000-000000000001', true, '{staff,null}'),
    ('b0b00000-0000-4000-8000-000000000002', false, '{}'),
    ('ca401000-0000-4000-8000-000000000003', true, null),
    ('dafe0000-0000-4000-8000-000000000004', null, null);
insert into members values
    ('red', 'a11ce000-0000-4000-8000-000000000001', 'editor', '2097-01-31 12:00:00.123456+00'),
    ('blue', 'b0b00000-0000-4000-8000-000000000002', 'viewer', null),
    ('red', 'ca401000-0000-4000-8000-000000000003', 'owner', 'infinity');
insert into projects values
    (1, 'ca401000-0000-4000-8000-000000000003', 'red', 'public'),
    (2, null, null, null);
insert into documents values
    ('plan', 'a11ce000-0000-4000-8000-000000000001', 1, null, 'done'),
    ('note', 'b0b00000-0000-4000-8000-000000000002', 1, 'blue', null),
    ('lone', null, null, 'red', null),
    ('bare', null, null, null, null),
    ('lost', null, 99, null, null);
insert into tickets values (7, null, 2, null, null), (-9, null, 2, 'red', 'open');
insert into blobs values
    ('a11ce000-0000-4000-8000-000000000001', 'a11ce000-0000-4000-8000-000000000001', 1, null, null);
