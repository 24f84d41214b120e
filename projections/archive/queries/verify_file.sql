-- What a Parquet file holds, to be compared with what was staged.
--   {file}  list with its path
select
    count(*),
    coalesce(min(position), 0),
    coalesce(max(position), 0),
    coalesce(sum(position), 0)
from read_parquet({file})
