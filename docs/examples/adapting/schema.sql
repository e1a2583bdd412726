-- The tables of another application, an archive: what docs/adapting.md adapts Sidegate to.
--
-- They are the application's own. Sidegate adds triggers to them and nothing else.

create schema archive;

create table archive.accounts (
    id          bigint primary key,
    email       text not null unique,
    disabled_at timestamptz
);

-- Who works for the archive itself. Most accounts have no row here.
create table archive.staff (
    account_id bigint not null references archive.accounts on delete cascade,
    duty       text   not null check (duty in ('support', 'audit')),
    primary key (account_id, duty)
);

create table archive.organisations (
    id   integer primary key,
    name text not null
);
-- The contract shows this id next to ids of type bigint, as one: id::bigint. See docs/adapting.md.
create index organisations_id_bigint on archive.organisations ((id::bigint));

-- level: 10 reads, 20 writes, 30 manages
create table archive.organisation_users (
    organisation_id integer  not null references archive.organisations on delete cascade,
    account_id      bigint   not null references archive.accounts on delete cascade,
    level           smallint not null,
    until           timestamptz,
    primary key (organisation_id, account_id)
);

create table archive.folders (
    id              bigint primary key,
    organisation_id integer references archive.organisations,
    created_by      bigint  not null references archive.accounts,
    is_public       boolean not null default false,
    title           text    not null default ''
);

create table archive.documents (
    id        bigint primary key,
    folder_id bigint references archive.folders,
    author_id bigint not null references archive.accounts,
    state     text   not null default 'draft' check (state in ('draft', 'final', 'withdrawn')),
    body      text   not null default ''
) partition by range (id);
create table archive.documents_1 partition of archive.documents for values from (minvalue) to (1000000);
create table archive.documents_2 partition of archive.documents for values from (1000000) to (maxvalue);

create table archive.pages (
    slug            text primary key,
    organisation_id integer not null references archive.organisations,
    written_by      bigint  not null references archive.accounts
);
