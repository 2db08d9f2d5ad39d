//! Signatures: what an attack looks like, each with its reason.
