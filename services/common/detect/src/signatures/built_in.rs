//! The packs that are built in: all of `packs/`, in the order of their names.

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../packs/", $name)))),*]
    };
}

const PACKS: &[(&str, &str)] = built_in![
    "graphql.toml",
    "java.toml",
    "ldap-xpath.toml",
    "nosql.toml",
    "paths.toml",
    "php.toml",
    "python-node.toml",
    "request.toml",
    "shell.toml",
    "sql.toml",
    "template.toml",
    "upload-webshell.toml",
    "xml.toml",
    "xss.toml",
];

/// The packs that are built in: file name and text.
pub fn packs() -> &'static [(&'static str, &'static str)] {
    PACKS
}
