-- The example application's tables. Idempotent: what is there stays.
--
-- Ids are made by the application. `updated_at` is kept by the application, not by a trigger.

create table if not exists users (
    id        uuid primary key,
    email     text not null unique check (email like '_%@_%'),
    is_active boolean not null default true
);

create table if not exists teams (
    id   uuid primary key,
    name text not null check (name <> '')
);

create table if not exists team_members (
    team_id    uuid not null references teams on delete cascade,
    user_id    uuid not null references users on delete cascade,
    role       text not null check (role in ('owner', 'admin', 'editor', 'viewer')),
    expires_at timestamptz,
    primary key (team_id, user_id)
);
create index if not exists team_members_user on team_members (user_id);

-- An open project without a team would be open to nobody.
create table if not exists projects (
    id         uuid primary key,
    user_id    uuid not null references users,
    team_id    uuid references teams,
    visibility text not null default 'private'
               check (visibility in ('private', 'team_open', 'public')),
    updated_at timestamptz not null default now(),
    check (visibility <> 'team_open' or team_id is not null)
);
create index if not exists projects_user on projects (user_id, updated_at desc);
create index if not exists projects_team on projects (team_id) where team_id is not null;
create index if not exists projects_updated on projects (updated_at desc, id);

create table if not exists generations (
    id         uuid primary key,
    user_id    uuid not null references users,
    project_id uuid references projects on delete set null,
    status     text not null default 'queued'
               check (status in ('queued', 'generating', 'completed', 'failed')),
    updated_at timestamptz not null default now()
);
create index if not exists generations_user on generations (user_id, updated_at desc);
create index if not exists generations_project on generations (project_id, updated_at desc)
    where project_id is not null;
create index if not exists generations_updated on generations (updated_at desc, id);
