//! The enforcement points as the verifier sees them: by reading back, never by asking the executor.

pub mod aws_waf;
pub mod envoy;
