-- Service keys and revocations: DESIGN §7, and watches over both.

create table sidegate.service_keys (
    id           text primary key check (id ~ '^[A-Za-z0-9]{1,64}$'),
    -- HMAC-SHA-256 of the secret; the pepper is in Sidegate's configuration
    digest       bytea       not null check (octet_length(digest) = 32),
    -- the subject that it speaks for
    subject      text        not null,
    scopes       text[]      not null default '{}',
    note         text        not null default '',
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    -- sampled, not exact
    last_used_at timestamptz
);

-- What counts no longer: everything of a user, a session or a token that was issued until `before`.
create table sidegate.revocations (
    kind       text        not null check (kind in ('user', 'session', 'token')),
    -- the subject, the token's `sid` or its `jti`
    value      text        not null check (value <> ''),
    before     timestamptz not null default now(),
    -- from then on no token that it is about can still be good: the row may be deleted
    expires_at timestamptz,
    note       text        not null default '',
    primary key (kind, value)
);

select sidegate.watch('sidegate.service_keys', array['key:{id}'], '{digest,subject,scopes,expires_at,revoked_at}');

select sidegate.watch('sidegate.revocations', array['{kind}:{value}'], '{before,expires_at}');

grant select on sidegate.service_keys, sidegate.revocations to sidegate_reader;
