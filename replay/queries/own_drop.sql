-- Remove the table of one that is folded anew.
DROP TABLE IF EXISTS {own}.{table}
