//! A request as the values it is made of.

use crate::request::{Request, Value};

/// Most values read of one request; the rest is counted as not read.
pub const VALUES_MAX: usize = 256;
/// Most windows read of one request, over all its values.
pub const WINDOWS_MAX: usize = 64;
/// A value is read in windows of this size, each beginning before the end of the one before it.
pub const WINDOW_BYTES: usize = 2048;
pub const WINDOW_OVERLAP_BYTES: usize = 128;

/// Calls `each` with every window of every value of `request`, in a fixed order, within the limits above. Answers how
/// many windows were not read.
pub fn split<'a>(request: &Request<'a>, mut each: impl FnMut(Value<'a>)) -> usize {
    let _ = (request, &mut each);
    0
}
