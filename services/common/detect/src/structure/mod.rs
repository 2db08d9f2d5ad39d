//! Structure in a text: what words alone would lie about. One linear pass each, bounded, no allocation.

pub mod markup;
pub mod shell;
pub mod sql;
mod table;
