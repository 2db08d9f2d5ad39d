//! The shell tokeniser and the packs of code injection: what each signature must hit and must leave alone.

mod files;
mod measure;
mod packs;
mod structure;
mod view;
