//! Markup's flags and the packs of markup, paths and requests.

mod flags;
mod packs;
mod share;
mod views;
