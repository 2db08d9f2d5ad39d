//! The packs that are built in: all of `packs/`, in the order of their names.

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../packs/", $name)))),*]
    };
}

const PACKS: &[(&str, &str)] = built_in![
    "exploits.toml",
    "graphql.toml",
    "java-calls.toml",
    "java.toml",
    "ldap-xpath.toml",
    "nosql-engines.toml",
    "nosql.toml",
    "paths-applications.toml",
    "paths-climb.toml",
    "paths-exploits.toml",
    "paths-files.toml",
    "paths-servers.toml",
    "php-names.toml",
    "php.toml",
    "python-node.toml",
    "request-level.toml",
    "request-mail.toml",
    "request-scanner.toml",
    "request-smuggling.toml",
    "request-ssrf.toml",
    "shell-commands.toml",
    "shell.toml",
    "sql-clauses.toml",
    "sql-evasion.toml",
    "sql-functions.toml",
    "sql-statements.toml",
    "sql-structure.toml",
    "sql-tails.toml",
    "template.toml",
    "upload-webshell.toml",
    "visits.toml",
    "xml-includes.toml",
    "xml.toml",
    "xss-elements.toml",
    "xss-script.toml",
    "xss-structure.toml",
    "xss-tricks.toml",
];

/// The packs that are built in: file name and text.
pub fn packs() -> &'static [(&'static str, &'static str)] {
    PACKS
}
