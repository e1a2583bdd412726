-- Whether a contract is applied: not before the first `sidegate migrate`, nor after a release.
select exists (select from sidegate.state s where s.key = 'contract') as applied;
