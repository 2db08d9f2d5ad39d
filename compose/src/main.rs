//! The binary behind `cargo demo` and `cargo verify`.

fn main() {}
