//! Why a request scored what it did, for a person on call.
