-- Rows of one table to one Parquet file. Level 1: level 3 takes 5 us more per message and saves a seventh.
--   {rows}     what reads them: staged NDJSON or Parquet files
--   {columns}  columns of the table
--   {order}    `order by …`, or nothing
--   {target}   path of the Parquet file
--   {row_group_rows}    rows in a row group; few when rows are long, so that one fits in memory
copy (
    select {columns} from {rows}
    {order}
) to {target} (format parquet, compression zstd, compression_level 1, row_group_size {row_group_rows})
