-- Staged rows of one table to one Parquet file.
--   {rows}     path of the staged NDJSON file
--   {columns}  columns of the table
--   {struct}   columns and types, as read_json takes them
--   {object_bytes_max}  longest line, in bytes
--   {order}    `order by …`, or nothing
--   {target}   path of the Parquet file
--   {row_group_rows}    rows in a row group; few when rows are long, so that one fits in memory
copy (
    select {columns} from read_json(
        {rows}, format = 'newline_delimited', columns = {struct},
        maximum_object_size = {object_bytes_max})
    {order}
) to {target} (format parquet, compression zstd, row_group_size {row_group_rows})
