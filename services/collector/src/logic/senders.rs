//! Who sends a document: a token or an identity in, the sender out.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Of a token's SHA-256.
pub const DIGEST_BYTES: usize = 32;

/// Somebody who may send documents.
#[derive(Clone)]
pub struct Sender {
    pub name: String,
    /// SHA-256 of the token.
    pub token: Option<[u8; DIGEST_BYTES]>,
    /// The SPIFFE URI of the sender's certificate.
    pub identity: Option<String>,
    /// Whether a client's address is believed as if we had seen the connection; else it is what a feed says.
    pub authoritative: bool,
}

/// Everybody who may send documents.
#[derive(Debug, Clone)]
pub struct Senders(pub Vec<Sender>);

impl Senders {
    /// The sender of a token. As slow for any wrong one as for the right one.
    pub fn of_token(&self, token: &str) -> Option<&Sender> {
        let digest: [u8; DIGEST_BYTES] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for sender in &self.0 {
            if sender.token.is_some_and(|known| bool::from(known.ct_eq(&digest))) {
                found = Some(sender);
            }
        }
        found
    }

    /// The sender of a certificate.
    pub fn of_identity(&self, identity: &str) -> Option<&Sender> {
        self.0.iter().find(|sender| sender.identity.as_deref() == Some(identity))
    }
}

impl fmt::Debug for Sender {
    /// Without the digest: it would tell a guesser when the token is found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("name", &self.name)
            .field("identity", &self.identity)
            .field("authoritative", &self.authoritative)
            .finish_non_exhaustive()
    }
}
