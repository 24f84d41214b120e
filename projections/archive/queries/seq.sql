-- Messages of one generation by their place in it.
--   $tenant      varchar
--   $session     varchar
--   $generation  bigint
--   $first       bigint  seq of the first message
--   $last        bigint  seq of the last message, itself included
--   {columns}    those of the view
select {columns} from whole.messages
where tenant = $tenant and session = $session and generation = $generation and seq between $first and $last
order by position
