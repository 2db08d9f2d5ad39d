//! Where events come from, one file per kind of sender.

pub mod envoy;
