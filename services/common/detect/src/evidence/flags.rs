//! Words for what is no signature: flags of the tokenisers, marks of the normaliser, counts of the plain text.

use super::meanings::MEANINGS;

/// The kind of attack that a flag points to.
pub(super) fn category(id: &str) -> Option<&'static str> {
    match id {
        "shell.climb" | "shell.odd_climb" | "shell.system_file" | "shell.whole_path"
        | "shell.wrapper" | "mark.path_up" | "mark.path_dot" => return Some("path_traversal"),
        "shell.remote_script" | "shell.remote_number" => return Some("remote_file_inclusion"),
        "shell.lookup" => return Some("log4shell"),
        "shell.object_walk" => return Some("code_injection"),
        _ => {}
    }
    match id.split('.').next()? {
        "sql" => Some("sql_injection"),
        "shell" => Some("command_injection"),
        "markup" => Some("cross_site_scripting"),
        _ => None,
    }
}

/// What the flag, mark or count `id` says: as [`MEANINGS`] has it, or in words made of its own name.
pub fn explanation(id: &str) -> String {
    if let Some((_, meaning)) = MEANINGS.iter().find(|(known, _)| *known == id) {
        return (*meaning).to_owned();
    }
    let (kind, rest) = id.split_once('.').unwrap_or(("", id));
    let rest = rest.replace('_', " ");
    match kind {
        "mark" => format!("had to be decoded before it could be read: {rest}"),
        "sql" => format!("reads as part of a database query: {rest}"),
        "shell" if category(id) != Some("command_injection") => {
            format!("reads as what a program is made to open: {rest}")
        }
        "shell" => format!("reads as a shell command: {rest}"),
        "markup" => format!("reads as markup or script: {rest}"),
        "lexical" => format!("count in the plain text: {rest}"),
        _ => rest,
    }
}
