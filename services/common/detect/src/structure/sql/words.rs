//! The words that SQL reserves, and the functions and tables that injections ask for.

use super::token::Kind;

/// What a word in lower case is.
pub(super) fn kind(word: &[u8]) -> Kind {
    // Nothing in the tables is longer, and most words of prose end here or at the first comparison.
    if word.len() < 2 || word.len() > 24 {
        return Kind::Word;
    }
    reserved(word).or_else(|| function(word)).or_else(|| catalogue(word)).unwrap_or(Kind::Word)
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

fn reserved(word: &[u8]) -> Option<Kind> {
    Some(match word {
        b"and" => Kind::And,
        b"or" | b"xor" => Kind::Or,
        b"div" | b"mod" => Kind::Arithmetic,
        b"like" | b"rlike" | b"regexp" | b"ilike" | b"glob" | b"similar" | b"sounds" => Kind::Like,
        b"not" => Kind::Not,
        b"null" | b"true" | b"false" => Kind::Null,
        b"union" | b"intersect" | b"except" | b"minus" => Kind::Union,
        b"all" | b"distinct" | b"distinctrow" => Kind::All,
        b"select" => Kind::Select,
        b"from" => Kind::From,
        b"where" => Kind::Where,
        b"into" => Kind::Into,
        b"values" => Kind::Values,
        b"set" => Kind::Set,
        b"table" | b"database" | b"view" | b"schema" | b"user" | b"login" | b"index"
        | b"trigger" | b"function" | b"role" | b"sequence" | b"extension" => Kind::Table,
        b"insert" | b"replace" => Kind::Insert,
        b"update" => Kind::Update,
        b"delete" => Kind::Delete,
        b"drop" | b"truncate" => Kind::Drop,
        b"create" => Kind::Create,
        b"alter" => Kind::Alter,
        b"exec" | b"execute" => Kind::Execute,
        b"declare" => Kind::Declare,
        b"shutdown" | b"grant" | b"revoke" | b"merge" | b"copy" | b"call" | b"handler"
        | b"prepare" | b"attach" | b"pragma" | b"dbcc" | b"backup" | b"restore" | b"load"
        | b"bulk" | b"rename" | b"vacuum" | b"use" | b"begin" | b"commit" | b"rollback"
        | b"show" | b"describe" | b"explain" | b"do" | b"kill" | b"perform" | b"reconfigure" => {
            Kind::Verb
        }
        b"having" => Kind::Having,
        b"group" => Kind::Group,
        b"order" => Kind::Order,
        b"by" => Kind::By,
        b"limit" | b"offset" => Kind::Limit,
        b"between" => Kind::Between,
        b"in" => Kind::In,
        b"is" | b"isnull" | b"notnull" => Kind::Is,
        b"case" => Kind::Case,
        b"when" => Kind::When,
        b"then" => Kind::Then,
        b"if" | b"iif" => Kind::If,
        b"exists" => Kind::Exists,
        b"waitfor" => Kind::Waitfor,
        b"procedure" => Kind::Procedure,
        b"as" => Kind::As,
        b"outfile" | b"dumpfile" => Kind::Outfile,
        _ => return None,
    })
}

fn function(word: &[u8]) -> Option<Kind> {
    Some(match word {
        b"sleep" | b"benchmark" | b"pg_sleep" | b"pg_sleep_for" | b"pg_sleep_until"
        | b"randomblob" | b"zeroblob" | b"dbms_lock" | b"dbms_session" | b"generate_series" => {
            Kind::Delay
        }
        _ if server(word) || telling(word) => Kind::Function,
        b"char" | b"chr" | b"nchar" | b"concat" | b"ascii" | b"substring" | b"substr" | b"mid"
        | b"ord" | b"hex" | b"unhex" | b"length" | b"len" | b"char_length" | b"version"
        | b"cast" | b"convert" | b"count" | b"floor" | b"rand" | b"md5" | b"sha1" | b"ifnull"
        | b"nvl" | b"coalesce" | b"nullif" | b"lower" | b"upper" | b"left" | b"right" | b"lpad"
        | b"rpad" | b"instr" | b"locate" | b"position" | b"strcmp" | b"rownum" | b"unicode"
        | b"to_char" | b"to_number" | b"quotename" | b"reverse" | b"conv" | b"bin" | b"min"
        | b"max" | b"row" | b"current_setting" | b"typeof" | b"printf" | b"abs" | b"power"
        | b"sqrt" => Kind::Common,
        _ => return None,
    })
}

/// Packages and procedures that reach out of the database.
fn server(word: &[u8]) -> bool {
    matches!(
        word,
        b"load_file"
            | b"xmltype"
            | b"ctxsys"
            | b"utl_inaddr"
            | b"utl_http"
            | b"utl_smtp"
            | b"dbms_pipe"
            | b"dbms_ldap"
            | b"dbms_xmlgen"
            | b"dbms_utility"
            | b"dbms_java"
            | b"httpuritype"
            | b"xp_cmdshell"
            | b"xp_dirtree"
            | b"xp_fileexist"
            | b"xp_regread"
            | b"sp_executesql"
            | b"sp_oacreate"
            | b"sp_configure"
            | b"sp_password"
            | b"openrowset"
            | b"opendatasource"
            | b"openquery"
            | b"pg_read_file"
            | b"pg_ls_dir"
            | b"lo_import"
            | b"lo_export"
            | b"dblink_connect"
            | b"dblink"
            | b"load_extension"
            | b"ordsys"
            | b"sys_context"
            | b"current_database"
            | b"inet_server_addr"
    )
}

/// Functions that hardly anything but SQL has.
fn telling(word: &[u8]) -> bool {
    matches!(
        word,
        b"extractvalue"
            | b"updatexml"
            | b"group_concat"
            | b"concat_ws"
            | b"regexp_substring"
            | b"current_user"
            | b"session_user"
            | b"system_user"
            | b"query_to_xml"
            | b"database_to_xml"
            | b"table_to_xml"
            | b"string_agg"
            | b"array_agg"
            | b"json_arrayagg"
            | b"json_keys"
            | b"sqlite_version"
            | b"name_const"
            | b"geometrycollection"
            | b"multipoint"
            | b"linestring"
            | b"polygon"
            | b"exp"
            | b"row_count"
            | b"make_set"
            | b"elt"
            | b"gtid_subset"
            | b"st_latfromgeohash"
            | b"ora_hash"
            | b"listagg"
            | b"wm_concat"
            | b"sqlcode"
            | b"has_dbaccess"
            | b"is_srvrolemember"
            | b"db_name"
            | b"host_name"
            | b"user_name"
            | b"object_id"
            | b"col_name"
            | b"bitand"
            | b"xmlagg"
    )
}

fn catalogue(word: &[u8]) -> Option<Kind> {
    Some(match word {
        b"information_schema"
        | b"sysobjects"
        | b"syscolumns"
        | b"sysusers"
        | b"sysdatabases"
        | b"syslogins"
        | b"pg_catalog"
        | b"pg_user"
        | b"pg_shadow"
        | b"pg_tables"
        | b"pg_database"
        | b"pg_class"
        | b"pg_stat_activity"
        | b"all_tables"
        | b"all_tab_columns"
        | b"all_users"
        | b"user_tables"
        | b"user_tab_columns"
        | b"dba_users"
        | b"dba_tables"
        | b"sqlite_master"
        | b"sqlite_schema"
        | b"msysobjects"
        | b"sysibm"
        | b"sysmaster"
        | b"rdb$database"
        | b"rdb$relations"
        | b"rdb$fields"
        | b"rdb$types"
        | b"v$version"
        | b"v$instance"
        | b"table_schema"
        | b"table_name"
        | b"column_name"
        | b"schemata"
        | b"innodb_table_stats" => Kind::Catalogue,
        _ => return None,
    })
}
