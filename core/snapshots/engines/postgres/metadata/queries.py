"""The queries that read a database's objects from the system catalogs (servers 13 and newer).

Each part of the union gives one kind of catalog: its name, the object's OID, its owner's OID, its rights, and the text
that defines it. Definitions are written by the server under an empty search path, so that they are fully qualified.
"""

from __future__ import annotations

__all__ = ["COLUMN_RIGHTS", "DATABASE", "DEFAULT_RIGHTS", "FOREIGN_RIGHTS", "SETTINGS", "objects_query"]


def _own(catalog: str, oid: str) -> str:
    """Return the condition that an object is not one of an extension."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend x WHERE x.deptype = 'e' AND x.classid = '{catalog}'::regclass "
        f"AND x.objid = {oid})"
    )


_USER_SCHEMA = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

_COLUMNS = """
(SELECT string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN 'NOT NULL' END,
            'identity ' || nullif(a.attidentity::text, ''), 'generated ' || nullif(a.attgenerated::text, ''),
            'storage ' || CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,
            {compression}
            'statistics ' || nullif(coalesce(a.attstattarget::int, -1), -1), a.attoptions::text,
            a.attfdwoptions::text,
            'collate ' || CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
            'default ' || pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)),
        E'\\n' ORDER BY a.attnum)
   FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
   LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
"""

_RELATIONS = f"""
SELECT 'pg_class'::regclass, c.oid, CASE WHEN c.relkind NOT IN ('i', 'I') THEN c.relowner END, c.relacl,
       concat_ws(E'\\n', c.relpersistence, c.reloptions::text,
         CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) WHEN 'm' THEN pg_get_viewdef(c.oid)
              WHEN 'i' THEN pg_get_indexdef(c.oid) WHEN 'I' THEN pg_get_indexdef(c.oid) END,
         CASE WHEN c.relkind NOT IN ('i', 'I', 'S') THEN {_COLUMNS} END,
         (SELECT concat_ws(' ', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax, s.seqmin,
                           s.seqcache, s.seqcycle) FROM pg_sequence s WHERE s.seqrelid = c.oid),
         (SELECT concat_ws('.', 'owned by ' || d.refobjid::regclass, a.attname)
            FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
           WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a'
             AND d.refclassid = 'pg_class'::regclass),
         (SELECT 'toast ' || o.reloptions::text FROM pg_class o WHERE o.oid = c.reltoastrelid),
         (SELECT 'statistics ' || string_agg(concat_ws(' ', a.attnum, a.attstattarget), ', ' ORDER BY a.attnum)
            FROM pg_attribute a WHERE c.relkind IN ('i', 'I') AND a.attrelid = c.oid AND a.attstattarget >= 0),
         CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'without data' END,
         (SELECT concat_ws(' ', 'index', i.indisclustered, i.indisreplident, i.indisvalid)
            FROM pg_index i WHERE i.indexrelid = c.oid),
         'replica identity ' || nullif(c.relreplident::text,
                                       CASE WHEN c.relkind IN ('r', 'm', 'p') THEN 'd' ELSE 'n' END),
         CASE WHEN c.relrowsecurity THEN 'row security' END, CASE WHEN c.relforcerowsecurity THEN 'forced' END,
         'partition by ' || CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
         pg_get_expr(c.relpartbound, c.oid), 'of type ' || nullif(c.reloftype, 0)::regtype::text,
         (SELECT 'inherits ' || string_agg(h.inhparent::regclass::text, ', ' ORDER BY h.inhseqno)
            FROM pg_inherits h WHERE h.inhrelid = c.oid),
         (SELECT E'\\x01tablespace ' || s.spcname || E'\\x01' FROM pg_tablespace s WHERE s.oid = c.reltablespace),
         (SELECT 'using ' || m.amname FROM pg_am m WHERE m.oid = c.relam AND c.relkind IN ('r', 'm', 'p')),
         (SELECT concat_ws(' ', 'foreign', s.srvname, f.ftoptions::text) FROM pg_foreign_table f
            JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I') AND c.relpersistence <> 't' AND {_USER_SCHEMA}
   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND NOT {_own("pg_class", "i.indrelid")})
"""

_ROUTINES = f"""
SELECT 'pg_proc'::regclass, p.oid, p.proowner, p.proacl,
       CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE
         (SELECT concat_ws(' ', format_type(p.prorettype, NULL), g.aggtransfn::text, g.aggfinalfn::text,
                           format_type(g.aggtranstype, NULL), g.agginitval, g.aggcombinefn::text, g.aggserialfn::text,
                           g.aggdeserialfn::text, g.aggmtransfn::text, g.aggminvtransfn::text, g.aggmfinalfn::text,
                           g.aggfinalmodify, g.aggmfinalmodify, g.aggminitval, g.aggkind,
                           g.aggsortop::regoperator::text, nullif(p.proparallel, 'u'),
                           'space ' || nullif(g.aggtransspace, 0), 'moving space ' || nullif(g.aggmtransspace, 0),
                           format_type(nullif(g.aggmtranstype, 0), NULL), CASE WHEN g.aggfinalextra THEN 'extra' END,
                           CASE WHEN g.aggmfinalextra THEN 'moving extra' END)
            FROM pg_aggregate g WHERE g.aggfnoid = p.oid) END
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_USER_SCHEMA}
"""

_TYPES = f"""
SELECT 'pg_type'::regclass, t.oid, t.typowner, t.typacl,
       concat_ws(E'\\n', t.typtype, CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
         (SELECT 'collate ' || t.typcollation::regcollation FROM pg_type b
           WHERE b.oid = t.typbasetype AND t.typtype = 'd' AND b.typcollation <> t.typcollation),
         t.typdefault, CASE WHEN t.typnotnull THEN 'NOT NULL' END,
         CASE t.typtype WHEN 'b' THEN concat_ws(' ', t.typinput::text, t.typoutput::text, t.typlen, t.typcategory) END,
         CASE WHEN c.relkind = 'c' THEN {_COLUMNS} END,
         (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e
           WHERE e.enumtypid = t.oid),
         (SELECT concat_ws(' ', format_type(r.rngsubtype, NULL), r.rngcanonical::text, r.rngsubdiff::text,
                           nullif(r.rngcollation, 0)::regcollation::text)
            FROM pg_range r WHERE r.rngtypid = t.oid))
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE {_USER_SCHEMA} AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c'
       OR t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid))
"""

_CONSTRAINTS = f"""
SELECT 'pg_constraint'::regclass, k.oid, NULL::oid, NULL::aclitem[],
       concat_ws(' ', pg_get_constraintdef(k.oid), k.convalidated)
  FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
 WHERE k.contype IN ('c', 'f', 'p', 'u', 'x', {{not_null}}) AND {_USER_SCHEMA}
   AND {_own("pg_class", "k.conrelid")} AND {_own("pg_type", "k.contypid")}
"""

_TRIGGERS = f"""
SELECT 'pg_trigger'::regclass, g.oid, NULL::oid, NULL::aclitem[], concat_ws(' ', pg_get_triggerdef(g.oid), g.tgenabled)
  FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT g.tgisinternal AND {_USER_SCHEMA} AND {_own("pg_class", "c.oid")}
"""

_RULES = f"""
SELECT 'pg_rewrite'::regclass, w.oid, NULL::oid, NULL::aclitem[], concat_ws(' ', pg_get_ruledef(w.oid), w.ev_enabled)
  FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE w.rulename <> '_RETURN' AND {_USER_SCHEMA} AND {_own("pg_class", "c.oid")}
"""

_POLICIES = f"""
SELECT 'pg_policy'::regclass, y.oid, NULL::oid, NULL::aclitem[],
       concat_ws(' ', y.polcmd, y.polpermissive, pg_get_expr(y.polqual, y.polrelid),
                 pg_get_expr(y.polwithcheck, y.polrelid),
                 (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r) END, ', ' ORDER BY r)
                    FROM unnest(y.polroles) r))
  FROM pg_policy y JOIN pg_class c ON c.oid = y.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {_USER_SCHEMA} AND {_own("pg_class", "c.oid")}
"""

_IN_SCHEMAS = f"""
SELECT 'pg_collation'::regclass, c.oid, c.collowner, NULL::aclitem[],
       (to_jsonb(c) - ARRAY['oid', 'collnamespace', 'collowner', 'collversion'])::text
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE {_USER_SCHEMA}
UNION ALL
SELECT 'pg_conversion'::regclass, c.oid, c.conowner, NULL::aclitem[],
       (to_jsonb(c) - ARRAY['oid', 'connamespace', 'conowner'])::text
  FROM pg_conversion c JOIN pg_namespace n ON n.oid = c.connamespace WHERE {_USER_SCHEMA}
UNION ALL
SELECT 'pg_operator'::regclass, o.oid, o.oprowner, NULL::aclitem[],
       concat_ws(' ', o.oprcode::regprocedure::text, o.oprcanmerge, o.oprcanhash,
                 nullif(o.oprcom, 0)::regoperator::text,
                 nullif(o.oprnegate, 0)::regoperator::text, o.oprrest::text, o.oprjoin::text)
  FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE {_USER_SCHEMA}
UNION ALL
SELECT 'pg_opclass'::regclass, o.oid, o.opcowner, NULL::aclitem[],
       concat_ws(' ', format_type(o.opcintype, NULL), o.opcdefault, nullif(o.opckeytype, 0)::regtype::text)
  FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE {_USER_SCHEMA}
UNION ALL
SELECT 'pg_opfamily'::regclass, o.oid, o.opfowner, NULL::aclitem[],
       concat_ws(' ', (SELECT string_agg(concat_ws(' ', m.amopstrategy, m.amopopr::regoperator::text), ', '
                                         ORDER BY m.amopstrategy, m.amopopr::regoperator::text)
                         FROM pg_amop m WHERE m.amopfamily = o.oid),
                 (SELECT string_agg(concat_ws(' ', m.amprocnum, m.amproc::regprocedure::text), ', '
                                    ORDER BY m.amprocnum, m.amproc::regprocedure::text)
                    FROM pg_amproc m WHERE m.amprocfamily = o.oid))
  FROM pg_opfamily o JOIN pg_namespace n ON n.oid = o.opfnamespace WHERE {_USER_SCHEMA}
UNION ALL
SELECT 'pg_ts_config'::regclass, g.oid, g.cfgowner, NULL::aclitem[],
       concat_ws(' ', (SELECT r.prsname FROM pg_ts_parser r WHERE r.oid = g.cfgparser),
         (SELECT string_agg(concat_ws(' ', m.maptokentype, m.mapseqno, m.mapdict::regdictionary::text), ', '
                            ORDER BY m.maptokentype, m.mapseqno) FROM pg_ts_config_map m WHERE m.mapcfg = g.oid))
  FROM pg_ts_config g JOIN pg_namespace n ON n.oid = g.cfgnamespace WHERE {_USER_SCHEMA}
UNION ALL
SELECT 'pg_ts_dict'::regclass, d.oid, d.dictowner, NULL::aclitem[],
       concat_ws(' ', (SELECT t.tmplname FROM pg_ts_template t WHERE t.oid = d.dicttemplate), d.dictinitoption)
  FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace WHERE {_USER_SCHEMA}
UNION ALL
SELECT 'pg_ts_parser'::regclass, p.oid, NULL::oid, NULL::aclitem[], p.prsstart::text
  FROM pg_ts_parser p JOIN pg_namespace n ON n.oid = p.prsnamespace WHERE {_USER_SCHEMA}
UNION ALL
SELECT 'pg_ts_template'::regclass, p.oid, NULL::oid, NULL::aclitem[], p.tmpllexize::text
  FROM pg_ts_template p JOIN pg_namespace n ON n.oid = p.tmplnamespace WHERE {_USER_SCHEMA}
UNION ALL
SELECT 'pg_statistic_ext'::regclass, s.oid, s.stxowner, NULL::aclitem[],
       concat_ws(' ', pg_get_statisticsobjdef(s.oid), 'statistics ' || nullif(coalesce(s.stxstattarget::int, -1), -1))
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE {_USER_SCHEMA}
"""

_IN_DATABASE = """
SELECT 'pg_namespace'::regclass, n.oid, n.nspowner, n.nspacl, ''
  FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'pg_language'::regclass, l.oid, l.lanowner, l.lanacl, l.lanpltrusted::text
  FROM pg_language l WHERE l.oid >= 16384
UNION ALL
SELECT 'pg_foreign_data_wrapper'::regclass, f.oid, f.fdwowner, f.fdwacl, f.fdwoptions::text
  FROM pg_foreign_data_wrapper f
UNION ALL
SELECT 'pg_foreign_server'::regclass, s.oid, s.srvowner, s.srvacl,
       concat_ws(' ', s.srvtype, s.srvversion, s.srvoptions::text, f.fdwname)
  FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
UNION ALL
SELECT 'pg_publication'::regclass, p.oid, p.pubowner, NULL::aclitem[],
       concat_ws(' ', (to_jsonb(p) - ARRAY['oid', 'pubowner'])::text,
                 {published})
  FROM pg_publication p
UNION ALL
SELECT 'pg_event_trigger'::regclass, e.oid, e.evtowner, NULL::aclitem[],
       concat_ws(' ', e.evtevent, e.evtfoid::regprocedure::text, e.evtenabled, e.evttags::text)
  FROM pg_event_trigger e
UNION ALL
SELECT 'pg_subscription'::regclass, s.oid, s.subowner, NULL::aclitem[], ''
  FROM pg_subscription s WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL
SELECT 'pg_extension'::regclass, e.oid, NULL::oid, NULL::aclitem[], n.nspname::text
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
UNION ALL
SELECT 'pg_user_mapping'::regclass, m.umid, NULL::oid, NULL::aclitem[], ''
  FROM pg_user_mappings m
UNION ALL
SELECT 'pg_cast'::regclass, c.oid, NULL::oid, NULL::aclitem[],
       concat_ws(' ', nullif(c.castfunc, 0)::regprocedure::text, c.castcontext, c.castmethod)
  FROM pg_cast c WHERE c.oid >= 16384
UNION ALL
SELECT 'pg_transform'::regclass, t.oid, NULL::oid, NULL::aclitem[],
       concat_ws(' ', t.trffromsql::text, t.trftosql::text)
  FROM pg_transform t
UNION ALL
SELECT 'pg_am'::regclass, m.oid, NULL::oid, NULL::aclitem[], concat_ws(' ', m.amhandler::text, m.amtype)
  FROM pg_am m WHERE m.oid >= 16384
UNION ALL
SELECT 'pg_largeobject'::regclass, b.oid, b.lomowner, b.lomacl, {large_object}
  FROM pg_largeobject_metadata b
"""

_PUBLISHED = """
(SELECT string_agg(concat_ws(' ', r.prrelid::regclass::text,
            (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum) FROM pg_attribute a
              WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)),
            pg_get_expr(r.prqual, r.prrelid)), ', ' ORDER BY r.prrelid::regclass::text)
   FROM pg_publication_rel r WHERE r.prpubid = p.oid),
(SELECT 'schemas ' || string_agg(r.pnnspid::regnamespace::text, ', ' ORDER BY r.pnnspid::regnamespace::text)
   FROM pg_publication_namespace r WHERE r.pnpubid = p.oid)
"""
_PUBLISHED_BEFORE_15 = """
(SELECT string_agg(r.prrelid::regclass::text, ', ' ORDER BY r.prrelid::regclass::text)
   FROM pg_publication_rel r WHERE r.prpubid = p.oid)
"""

_UNION = "\nUNION ALL\n".join(
    (_RELATIONS, _ROUTINES, _TYPES, _CONSTRAINTS, _TRIGGERS, _RULES, _POLICIES, _IN_SCHEMAS, _IN_DATABASE)
)

_OBJECTS = f"""
SELECT i.type, i.identity, CASE WHEN o.owner IS NOT NULL THEN pg_get_userbyid(o.owner) END, o.acl::text[],
       concat_ws(E'\\n', o.definition, obj_description(o.oid, o.catalog::text)),
       (SELECT array_agg(DISTINCT r.type || ' ' || r.identity ORDER BY r.type || ' ' || r.identity)
          FROM pg_depend d CROSS JOIN LATERAL pg_identify_object(d.refclassid, d.refobjid, 0) r
         WHERE d.deptype = 'n' AND d.refclassid IN ('pg_operator'::regclass, 'pg_proc'::regclass,
                                                    'pg_collation'::regclass, 'pg_opclass'::regclass)
           AND (d.classid = o.catalog AND d.objid = o.oid
             OR o.catalog = 'pg_class'::regclass
                AND (d.classid = 'pg_rewrite'::regclass
                     AND d.objid IN (SELECT w.oid FROM pg_rewrite w WHERE w.ev_class = o.oid AND w.rulename = '_RETURN')
                  OR d.classid = 'pg_attrdef'::regclass
                     AND d.objid IN (SELECT a.oid FROM pg_attrdef a WHERE a.adrelid = o.oid))))
  FROM ({_UNION}) AS o (catalog, oid, owner, acl, definition)
 CROSS JOIN LATERAL pg_identify_object(o.catalog, o.oid, 0) i
 WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.classid = o.catalog AND d.objid = o.oid)
 ORDER BY 1, 2
"""

COLUMN_RIGHTS = f"""
SELECT i.type, i.identity, a.attname, a.attacl::text[], pg_get_userbyid(c.relowner)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL pg_identify_object('pg_class'::regclass, c.oid, 0) i
 WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped AND {_USER_SCHEMA}
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.objid = c.oid
                      AND d.classid = 'pg_class'::regclass)
 ORDER BY 2, 3
"""

DEFAULT_RIGHTS = """
SELECT pg_get_userbyid(d.defaclrole), coalesce(quote_ident(n.nspname), ''),
       CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
                            WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END, d.defaclacl::text[]
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
 ORDER BY 1, 2, 3
"""

FOREIGN_RIGHTS = """
SELECT i.type, i.identity, pg_get_userbyid(o.owner), o.acl::text[], p.initprivs::text[]
  FROM (SELECT 'pg_class'::regclass, oid, relowner, relacl FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'S', 'f', 'p')
        UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, proacl FROM pg_proc
        UNION ALL SELECT 'pg_type'::regclass, oid, typowner, typacl FROM pg_type
        UNION ALL SELECT 'pg_language'::regclass, oid, lanowner, lanacl FROM pg_language
        UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, fdwowner, fdwacl FROM pg_foreign_data_wrapper
        UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner, nspacl FROM pg_namespace WHERE nspname !~ '^pg_t'
       ) AS o (catalog, oid, owner, acl)
  LEFT JOIN pg_init_privs p ON p.classoid = o.catalog AND p.objoid = o.oid AND p.objsubid = 0
 CROSS JOIN LATERAL pg_identify_object(o.catalog, o.oid, 0) i
 WHERE o.acl IS DISTINCT FROM p.initprivs AND 'information_schema' NOT IN (coalesce(i.schema, ''), coalesce(i.name, ''))
   AND (o.oid < 16384 AND NOT (o.catalog = 'pg_namespace'::regclass AND i.name = 'public')
     OR EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.classid = o.catalog AND d.objid = o.oid))
 ORDER BY 1, 2
"""
"""Rights that somebody changed on objects of the server or of an extension."""

DATABASE = """
SELECT pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, {provider}, {locale},
       {rules}, t.spcname, d.datconnlimit, d.datistemplate, shobj_description(d.oid, 'pg_database'), d.datacl::text[]
  FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
 WHERE d.datname = $1
"""

SETTINGS = """
SELECT r.rolname, c.entry
  FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) WITH ORDINALITY AS c (entry, n)
 WHERE d.datname = $1 AND (s.setrole = 0 OR r.rolname IS NOT NULL)
 ORDER BY r.rolname NULLS FIRST, c.n
"""


def objects_query(version: int) -> str:
    """Return the query for all objects but those of extensions: type, identity, owner, rights, definition, references.

    The content of a large object is part of its definition where the role may read it.
    """
    content = "CASE WHEN pg_has_role(b.lomowner, 'USAGE') THEN encode(sha256(lo_get(b.oid)), 'hex') END"
    filled = {
        "large_object": content,
        "compression": "'compression ' || nullif(a.attcompression::text, '')," if version >= 14 else "",
        "published": _PUBLISHED if version >= 15 else _PUBLISHED_BEFORE_15,
        "not_null": "'n'" if version >= 18 else "'c'",  # in 17 domains have them, in their definition
    }
    query = _OBJECTS
    for name, text in filled.items():
        query = query.replace("{" + name + "}", text)
    return query
