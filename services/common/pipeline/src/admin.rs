//! Makes and checks the topics: what `perimeter bootstrap kafka` does.
//!
//! Topics are made here and by no service. `decisions` and `leases` are made together, with the epoch record; finding
//! only one of them is refused, because their generations would not belong together.
