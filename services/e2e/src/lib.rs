//! Tests of the whole: the loop in one process on in-memory twins, the loop on the real world, and the tidy test.
//!
//! Everything is under `tests/`; nothing uses this crate.
