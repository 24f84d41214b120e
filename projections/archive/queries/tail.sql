-- Last messages of one session over all its generations, oldest first.
--   $tenant   varchar
--   $session  varchar
--   $before   bigint  only of positions below this
--   $count    bigint  at most this many
--   {columns} those of the view
select * from (
    select {columns} from whole.messages
    where tenant = $tenant and session = $session and position < $before
    order by position desc
    limit $count
)
order by position
