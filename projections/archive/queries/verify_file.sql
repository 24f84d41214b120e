-- What a Parquet file holds, to be compared with what was staged.
--   {file}        list with its path
--   {characters}  sum of the lengths of its texts
select
    count(*),
    coalesce(min(position), 0),
    coalesce(max(position), 0),
    coalesce(sum(position), 0),
    {characters}
from read_parquet({file})
