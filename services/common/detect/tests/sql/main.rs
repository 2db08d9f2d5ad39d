//! SQL: the tokeniser, and the packs for queries of every kind.

mod packs;
mod structure;
mod survey;
