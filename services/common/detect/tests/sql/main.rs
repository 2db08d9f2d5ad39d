//! SQL: the tokeniser, and the packs for queries of every kind.

mod expressions;
mod packs;
mod places;
mod statements;
mod structure;
mod survey;
mod tokens;
