//! What several tests of the whole share.

pub(crate) mod waf_fake;
