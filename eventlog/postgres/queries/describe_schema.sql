-- Everything in one schema that `migrate` makes, each as kind, name and definition. Things that
-- belong to a table are named table.thing.
--   $1 schema text
SELECT '1 table' AS kind, c.relname::text AS name,
       concat_ws(', ', CASE c.relpersistence WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged' END,
                 CASE WHEN c.relrowsecurity THEN 'row security' END,
                 array_to_string(ARRAY(SELECT unnest(c.reloptions) ORDER BY 1), ', ')) AS definition
  FROM pg_class c
 WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')
UNION ALL
SELECT '2 column', c.relname || '.' || a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
                 CASE WHEN a.attnotnull THEN 'NOT NULL' ELSE 'NULL' END,
                 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid),
                 CASE a.attidentity WHEN 'a' THEN 'IDENTITY ALWAYS' WHEN 'd' THEN 'IDENTITY BY DEFAULT' END,
                 CASE WHEN l.collname <> 'default' THEN 'COLLATE ' || l.collname END,
                 'STORAGE ' || a.attstorage::text)
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
 WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')
UNION ALL
-- NOT NULL is told with its column; Postgres 18 lists it here as well.
SELECT '3 constraint', c.relname || '.' || n.conname,
       pg_get_constraintdef(n.oid) || CASE WHEN n.convalidated THEN '' ELSE ' (not validated)' END
  FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
 WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND n.contype NOT IN ('n', 't')
UNION ALL
SELECT '4 index', c.relname || '.' || i.relname,
       pg_get_indexdef(i.oid) || CASE WHEN x.indisvalid AND x.indisready THEN '' ELSE ' (invalid)' END
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
 WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')
UNION ALL
SELECT '5 trigger', c.relname || '.' || t.tgname,
       pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' (disabled)' ELSE ' (' || t.tgenabled::text || ')' END
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND NOT t.tgisinternal
UNION ALL
SELECT '6 function', p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', pg_get_functiondef(p.oid)
  FROM pg_proc p
 WHERE p.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND p.prokind IN ('f', 'p')
UNION ALL
SELECT '7 view', c.relname::text, pg_get_viewdef(c.oid)
  FROM pg_class c
 WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('v', 'm')
