\set ECHO none
-- regress_pgbg_describe(): what there is to say of the extension and its members, to compare one catalog with another.
SET client_min_messages = warning;

-- all there is to say about the extension's members, free of OIDs and of the schema's and the owner's name
CREATE FUNCTION regress_pgbg_describe() RETURNS TABLE (member text, aspect text, value text)
LANGUAGE sql STABLE AS $$
    WITH extension AS (
        SELECT oid, extnamespace, extversion, extowner FROM pg_extension WHERE extname = 'pg_background'
    ), members AS (
        SELECT d.classid, d.objid, replace(i.identity, quote_ident(n.nspname) || '.', '') AS member, n.nspname,
               p.oid IS NOT NULL AS is_function, coalesce(p.proowner, t.typowner, c.relowner) AS owner,
               coalesce(p.proacl, t.typacl, c.relacl,
                        acldefault(CASE WHEN p.oid IS NOT NULL THEN 'f' WHEN t.oid IS NOT NULL THEN 'T' ELSE 'r' END::"char",
                                   coalesce(p.proowner, t.typowner, c.relowner))) AS acl,
               coalesce(p.pronamespace, t.typnamespace, c.relnamespace) AS namespace, coalesce(t.typrelid, c.oid) AS typrelid
          FROM extension e
          JOIN pg_namespace n ON n.oid = e.extnamespace
          JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
          LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
          LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
          LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
          LEFT JOIN pg_class r ON r.oid = t.typrelid,
               LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i
         WHERE t.typcategory IS DISTINCT FROM 'A'  -- array types are members from 17 on, as are
           AND r.relkind IS DISTINCT FROM 'v'      -- the views' row types
    )
    SELECT 'extension', 'version', extversion FROM extension
    UNION ALL
    SELECT member, 'definition', replace(pg_get_functiondef(objid), quote_ident(nspname) || '.', '')
      FROM members WHERE is_function
    UNION ALL
    SELECT member, 'definition', replace(pg_get_viewdef(objid), quote_ident(nspname) || '.', '')
      FROM members WHERE classid = 'pg_class'::regclass
    UNION ALL
    SELECT member, 'attributes', string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
      FROM members JOIN pg_attribute a ON a.attrelid = typrelid AND a.attnum > 0 AND NOT a.attisdropped
     GROUP BY member
    UNION ALL
    SELECT member, 'in place', (m.owner = e.extowner AND m.namespace = e.extnamespace)::text FROM members m, extension e
    UNION ALL
    SELECT member, 'comment', coalesce(obj_description(objid, classid::regclass::name), 'none') FROM members
    UNION ALL
    SELECT member, 'privileges', string_agg(
               CASE grantee WHEN owner THEN 'owner' WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
               || ' ' || privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, ', ' ORDER BY grantee <> owner, grantee::regrole::text COLLATE "C", privilege_type)
      FROM members, aclexplode(acl) GROUP BY member
    UNION ALL
    SELECT member, 'initial privileges', string_agg(
               CASE grantee WHEN owner THEN 'owner' WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
               || ' ' || privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, ', ' ORDER BY grantee <> owner, grantee::regrole::text COLLATE "C", privilege_type)
      FROM members JOIN pg_init_privs i ON i.classoid = classid AND i.objoid = objid, aclexplode(i.initprivs) GROUP BY member
$$;

RESET client_min_messages;
\set ECHO all
