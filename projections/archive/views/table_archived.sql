-- One table of the archive, from its Parquet files.
--   {table}    name of the table
--   {columns}  its columns
--   {files}    list of paths, at least one
create view archived.{table} as select {columns} from read_parquet({files})
