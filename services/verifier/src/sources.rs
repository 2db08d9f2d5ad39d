//! Where the verifier's own observations come from.

pub mod envoy;
