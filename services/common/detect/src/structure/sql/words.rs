//! The words that SQL reserves, and the functions and tables that injections ask for.

use super::super::table::{Table, count, flat};
use super::token::Kind;

/// What a word in lower case is.
pub(super) fn kind(word: &[u8]) -> Kind {
    TABLE.get(word).unwrap_or(Kind::Word)
}

/// Whether a kind is a keyword that joins clauses: no operand of a sum.
pub(super) fn structural(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::And
            | Kind::Or
            | Kind::Union
            | Kind::All
            | Kind::Select
            | Kind::From
            | Kind::Where
            | Kind::Into
            | Kind::Set
            | Kind::Having
            | Kind::Group
            | Kind::Order
            | Kind::By
            | Kind::Limit
            | Kind::Between
            | Kind::Like
            | Kind::In
            | Kind::Is
            | Kind::Waitfor
            | Kind::Update
            | Kind::Delete
            | Kind::Drop
    )
}

static TABLE: Table<Kind> = Table::new(&WORDS);
static WORDS: [(&[u8], Kind); count(LISTS)] = flat(LISTS);

#[rustfmt::skip]
const LISTS: &[(Kind, &[&[u8]])] = &[
    (Kind::And, &[
        b"and",
    ]),
    (Kind::Or, &[
        b"or", b"xor",
    ]),
    (Kind::Arithmetic, &[
        b"div", b"mod",
    ]),
    (Kind::Like, &[
        b"like", b"rlike", b"regexp", b"ilike", b"glob", b"similar", b"sounds",
    ]),
    (Kind::Not, &[
        b"not",
    ]),
    (Kind::Null, &[
        b"null", b"true", b"false",
    ]),
    (Kind::Union, &[
        b"union", b"intersect", b"except", b"minus",
    ]),
    (Kind::All, &[
        b"all", b"distinct", b"distinctrow",
    ]),
    (Kind::Select, &[
        b"select",
    ]),
    (Kind::From, &[
        b"from",
    ]),
    (Kind::Where, &[
        b"where",
    ]),
    (Kind::Into, &[
        b"into",
    ]),
    (Kind::Values, &[
        b"values",
    ]),
    (Kind::Set, &[
        b"set",
    ]),
    (Kind::Table, &[
        b"table", b"database", b"view", b"schema", b"user", b"login", b"index", b"trigger", b"function",
        b"role", b"sequence", b"extension",
    ]),
    (Kind::Insert, &[
        b"insert", b"replace",
    ]),
    (Kind::Update, &[
        b"update",
    ]),
    (Kind::Delete, &[
        b"delete",
    ]),
    (Kind::Drop, &[
        b"drop", b"truncate",
    ]),
    (Kind::Create, &[
        b"create",
    ]),
    (Kind::Alter, &[
        b"alter",
    ]),
    (Kind::Execute, &[
        b"exec", b"execute",
    ]),
    (Kind::Declare, &[
        b"declare",
    ]),
    (Kind::Verb, &[
        b"shutdown", b"grant", b"revoke", b"merge", b"copy", b"call", b"handler", b"prepare", b"attach",
        b"pragma", b"dbcc", b"backup", b"restore", b"load", b"bulk", b"rename", b"vacuum", b"use", b"begin",
        b"commit", b"rollback", b"show", b"describe", b"explain", b"do", b"kill", b"perform", b"reconfigure",
    ]),
    (Kind::Having, &[
        b"having",
    ]),
    (Kind::Group, &[
        b"group",
    ]),
    (Kind::Order, &[
        b"order",
    ]),
    (Kind::By, &[
        b"by",
    ]),
    (Kind::Limit, &[
        b"limit", b"offset",
    ]),
    (Kind::Between, &[
        b"between",
    ]),
    (Kind::In, &[
        b"in",
    ]),
    (Kind::Is, &[
        b"is", b"isnull", b"notnull",
    ]),
    (Kind::Case, &[
        b"case",
    ]),
    (Kind::When, &[
        b"when",
    ]),
    (Kind::Then, &[
        b"then",
    ]),
    (Kind::If, &[
        b"if", b"iif",
    ]),
    (Kind::Exists, &[
        b"exists",
    ]),
    (Kind::Waitfor, &[
        b"waitfor",
    ]),
    (Kind::Procedure, &[
        b"procedure",
    ]),
    (Kind::As, &[
        b"as",
    ]),
    (Kind::Outfile, &[
        b"outfile", b"dumpfile",
    ]),
    (Kind::Delay, &[
        b"sleep", b"benchmark", b"pg_sleep", b"pg_sleep_for", b"pg_sleep_until", b"randomblob", b"zeroblob",
        b"dbms_lock", b"dbms_session", b"generate_series",
    ]),
    // Packages and procedures that reach out of the database, and functions that hardly anything but SQL has.
    (Kind::Function, &[
        b"load_file", b"xmltype", b"ctxsys", b"utl_inaddr", b"utl_http", b"utl_smtp", b"dbms_pipe",
        b"dbms_ldap", b"dbms_xmlgen", b"dbms_utility", b"dbms_java", b"httpuritype", b"xp_cmdshell",
        b"xp_dirtree", b"xp_fileexist", b"xp_regread", b"sp_executesql", b"sp_oacreate", b"sp_configure",
        b"sp_password", b"openrowset", b"opendatasource", b"openquery", b"pg_read_file", b"pg_ls_dir",
        b"lo_import", b"lo_export", b"dblink_connect", b"dblink", b"load_extension", b"ordsys",
        b"sys_context", b"current_database", b"inet_server_addr", b"extractvalue", b"updatexml",
        b"group_concat", b"concat_ws", b"regexp_substring", b"current_user", b"session_user", b"system_user",
        b"query_to_xml", b"database_to_xml", b"table_to_xml", b"string_agg", b"array_agg", b"json_arrayagg",
        b"json_keys", b"sqlite_version", b"name_const", b"geometrycollection", b"multipoint", b"linestring",
        b"polygon", b"exp", b"row_count", b"make_set", b"elt", b"gtid_subset", b"st_latfromgeohash",
        b"ora_hash", b"listagg", b"wm_concat", b"sqlcode", b"has_dbaccess", b"is_srvrolemember", b"db_name",
        b"host_name", b"user_name", b"object_id", b"col_name", b"bitand", b"xmlagg",
    ]),
    (Kind::Common, &[
        b"char", b"chr", b"nchar", b"concat", b"ascii", b"substring", b"substr", b"mid", b"ord", b"hex",
        b"unhex", b"length", b"len", b"char_length", b"version", b"cast", b"convert", b"count", b"floor",
        b"rand", b"md5", b"sha1", b"ifnull", b"nvl", b"coalesce", b"nullif", b"lower", b"upper", b"left",
        b"right", b"lpad", b"rpad", b"instr", b"locate", b"position", b"strcmp", b"rownum", b"unicode",
        b"to_char", b"to_number", b"quotename", b"reverse", b"conv", b"bin", b"min", b"max", b"row",
        b"current_setting", b"typeof", b"printf", b"abs", b"power", b"sqrt",
    ]),
    (Kind::Catalogue, &[
        b"information_schema", b"sysobjects", b"syscolumns", b"sysusers", b"sysdatabases", b"syslogins",
        b"pg_catalog", b"pg_user", b"pg_shadow", b"pg_tables", b"pg_database", b"pg_class",
        b"pg_stat_activity", b"all_tables", b"all_tab_columns", b"all_users", b"user_tables",
        b"user_tab_columns", b"dba_users", b"dba_tables", b"sqlite_master", b"sqlite_schema", b"msysobjects",
        b"sysibm", b"sysmaster", b"rdb$database", b"rdb$relations", b"rdb$fields", b"rdb$types", b"v$version",
        b"v$instance", b"table_schema", b"table_name", b"column_name", b"schemata", b"innodb_table_stats",
    ]),
];
