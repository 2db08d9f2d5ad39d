//! The gRPC contract, and the mutual TLS under which every gRPC port of ours is served and called.
//!
//! Identity is the SPIFFE URI of the peer's certificate; who may call what is one table in [`roles`].

pub mod mtls;
pub mod roles;

/// `perimeter.v1`, generated from `perimeter/v1/perimeter.proto`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    let_underscore_drop,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("perimeter.v1");
}

/// The descriptors of `perimeter.v1`, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/perimeter.v1.bin"));
