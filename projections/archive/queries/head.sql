-- First messages of one session over all its generations, oldest first.
--   $tenant   varchar
--   $session  varchar
--   $after    bigint  only of positions above this
--   $count    bigint  at most this many
--   {columns} those of the view
select {columns} from whole.messages
where tenant = $tenant and session = $session and position > $after
order by position
limit $count
