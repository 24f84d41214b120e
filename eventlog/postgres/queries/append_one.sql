-- Append one event; parameters and result as functions/append_one.sql names them.
SELECT * FROM {schema}.append_one(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::text::text[], $16, $17, $18, $19, $20)
