//! Where events come from, one file per kind of sender.

pub mod envoy;
pub mod files;
pub mod http;
