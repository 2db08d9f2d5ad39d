//! The engine: packs as they are read, signatures as they run, scores as they are explained.

mod exceptions;
mod explain;
mod features;
mod limits;
mod literals;
mod meanings;
mod packs;
mod reach;
mod run;
mod signing;
mod targets;
mod whole;
mod worth;

use detect::normalise::{Marks, Reading};
use detect::{Part, Place, Value};

/// One signature of a pack, with `more` in place of defaults.
fn signature(id: &str, more: &str) -> String {
    let examples = if more.contains("hits") { "" } else { "hits = [\"x\"]\n" };
    format!(
        "[[signature]]\nid = \"{id}\"\ncategory = \"sql_injection\"\nseverity = \"high\"\ncwe = 89\nattack = \"T1190\"\n\
         prior = 5.0\nexplanation = \"a test\"\n{examples}{more}\n"
    )
}

/// A reading whose views are all `text`.
fn reading(text: &[u8], quiet: bool) -> Reading<'_> {
    Reading { text, sql: text, shell: text, path: text, marks: Marks::default(), quiet }
}

fn value<'a>(place: Place, part: Part, name: &'a str) -> Value<'a> {
    Value { place, part, name: name.as_bytes(), raw: b"" }
}
