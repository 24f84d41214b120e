-- Last messages of one session over all its generations, oldest first.
--   $tenant   varchar
--   $session  varchar
--   $count    bigint  at most this many
select * from (
    select * from whole.messages
    where tenant = $tenant and session = $session
    order by position desc
    limit $count
)
order by position
