//! Where events come from, one file per kind of sender.

mod connections;
pub mod envoy;
pub mod files;
pub mod http;
pub mod kafka;
pub mod syslog;
