-- One table of the archive, from its Parquet files.
--   {table}    name of the table
--   {columns}  its columns
--   {rows}     what reads them
create view archived.{table} as select {columns} from {rows}
