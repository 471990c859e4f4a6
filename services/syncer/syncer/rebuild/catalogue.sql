-- What the table $1 is made of. Pretty-printed definitions name no schema where the search path finds the table, and it is
-- `public` then: run with the shadow's search path, they make the same in the shadow.

-- name: columns
SELECT quote_ident(attname) AS name FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum;

-- name: indexes  (but those that belong to a constraint)
SELECT pg_get_indexdef(i.indexrelid, 0, true) AS definition FROM pg_index AS i
WHERE i.indrelid = $1::regclass AND NOT EXISTS (
    SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid AND c.conrelid = i.indrelid AND c.contype IN ('p', 'u', 'x'))
ORDER BY i.indexrelid;

-- name: constraints  (keys; checks are copied with the columns)
SELECT quote_ident(conname) AS name, pg_get_constraintdef(oid, true) AS definition FROM pg_constraint
WHERE conrelid = $1::regclass AND contype IN ('p', 'u', 'x', 'f') ORDER BY contype = 'f', oid;

-- name: options
SELECT reloptions FROM pg_class WHERE oid = $1::regclass;

-- name: rights
SELECT a.privilege_type AS privilege,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = $1::regclass AND a.grantee <> c.relowner;

-- name: not_copied  (keys between the tables $2 are copied with them)
SELECT 'the trigger ' || tgname AS name FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal
UNION ALL SELECT 'the policy ' || polname FROM pg_policy WHERE polrelid = $1::regclass
UNION ALL SELECT 'the rule ' || rulename FROM pg_rewrite WHERE ev_class = $1::regclass
UNION ALL SELECT 'rights on the column ' || attname FROM pg_attribute WHERE attrelid = $1::regclass AND attacl IS NOT NULL
UNION ALL SELECT 'the view ' || c.relname
          FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid JOIN pg_class AS c ON c.oid = r.ev_class
          WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = $1::regclass AND r.ev_class <> $1::regclass
UNION ALL SELECT 'the key ' || k.conname || ' of ' || c.relname
          FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
          WHERE k.confrelid = $1::regclass AND k.contype = 'f' AND c.relname::text <> ALL ($2::text[])
UNION ALL SELECT 'the publication ' || p.pubname
          FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid WHERE r.prrelid = $1::regclass;
