-- What rows hold, whatever their order: two readings with equal answers hold the same.
--   {rows}     what reads them
--   {columns}  columns of the table
select count(*), sum(hash({columns}))
from {rows}
