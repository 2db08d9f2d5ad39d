//! What several tests of the whole share.

pub mod waf_fake;
