//! Our own probes: how the verifier signs a request so that the collector knows it is ours.
//!
//! A probe claims an address, so a forged one could hide an attack or fake a proof. It is believed only when it is
//! signed, fresh, for the very address and path it came with, and not seen before.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use schemas::Millis;
use schemas::observable::canonical_address;

/// Header that carries a probe's signature.
pub const PROBE_HEADER: &str = "x-perimeter-probe";
/// Path that every probe asks for; the proxy answers it by itself.
pub const PROBE_PATH: &str = "/.well-known/perimeter-probe";
/// Header of the answer to whoever asks for [`PROBE_PATH`]: the replica that Envoy asked. Whoever sees it knows at once
/// which replica is still to be heard; the proof itself is in Envoy's log.
pub const POINT_HEADER: &str = "x-perimeter-point";
/// Oldest probe that is believed.
pub const PROBE_AGE_MAX_MS: Millis = 10_000;
/// How far a probe's clock may be ahead of ours.
pub const PROBE_AHEAD_MAX_MS: Millis = 2_000;
/// Most nonces remembered: 5,000 probes a second for as long as one is believed.
pub const NONCES_MAX: usize = 65_536;
const HEADER_BYTES_MAX: usize = 160;
const VERSION: &str = "v1";

/// Sixteen bytes that no two probes share; drawn by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(pub [u8; 16]);

/// Why a header does not prove a probe of ours. The request is then an ordinary event, counted `probe_forged`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Forged {
    #[error("the header is not of the form v1.<ms>.<nonce>.<signature>")]
    Malformed,
    #[error("the signature is not by our key over this address, path, time and nonce")]
    WrongSignature,
    #[error("the probe is more than {PROBE_AGE_MAX_MS} ms old")]
    Expired,
    #[error("the probe is more than {PROBE_AHEAD_MAX_MS} ms in the future")]
    Future,
    #[error("the nonce was seen before")]
    Replayed,
    #[error("more than {NONCES_MAX} probes came within the time in which one is believed")]
    TooMany,
}

impl Forged {
    pub const ALL: [Forged; 6] = [
        Forged::Malformed,
        Forged::WrongSignature,
        Forged::Expired,
        Forged::Future,
        Forged::Replayed,
        Forged::TooMany,
    ];

    /// The class, as a metric label.
    pub fn class(self) -> &'static str {
        match self {
            Forged::Malformed => "malformed",
            Forged::WrongSignature => "wrong_signature",
            Forged::Expired => "expired",
            Forged::Future => "future",
            Forged::Replayed => "replayed",
            Forged::TooMany => "too_many",
        }
    }
}

/// A key file is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "it is not an Ed25519 private key in PEM (BEGIN PRIVATE KEY); make one with `openssl genpkey -algorithm ed25519`"
    )]
    NotPrivate,
    #[error(
        "it is not an Ed25519 public key in PEM (BEGIN PUBLIC KEY); make one with `openssl pkey -in KEY -pubout`"
    )]
    NotPublic,
}

/// What the verifier signs with.
pub struct PrivateKey(SigningKey);

/// What the collector verifies with.
#[derive(Debug, Clone)]
pub struct PublicKey(VerifyingKey);

impl PrivateKey {
    /// Reads PKCS#8 in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem.trim()).map(PrivateKey).map_err(|_| KeyError::NotPrivate)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

impl PublicKey {
    /// Reads SubjectPublicKeyInfo in PEM. A point of small order is no key: whatever one likes is signed by it.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_public_key_pem(pem.trim()).map_err(|_| KeyError::NotPublic)?;
        if key.is_weak() { Err(KeyError::NotPublic) } else { Ok(PublicKey(key)) }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(hidden)")
    }
}

/// The value of [`PROBE_HEADER`] for a probe that will arrive as `address` and ask for `path`.
pub fn sign(address: IpAddr, path: &str, now: Millis, nonce: Nonce, key: &PrivateKey) -> String {
    let signed = format!("{VERSION}.{now}.{}", URL_SAFE_NO_PAD.encode(nonce.0));
    let signature = key.0.sign(message(&signed, address, path).as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// Whether `header` proves that a request from `address` for `path` is a probe of ours, sent about `now`.
///
/// The nonce comes back so that the caller can ask [`SeenNonces`] whether it is new: a probe is ours only once.
pub fn verify(
    header: &str,
    address: IpAddr,
    path: &str,
    now: Millis,
    key: &PublicKey,
) -> Result<Nonce, Forged> {
    let header = header.trim_matches([' ', '\t']);
    if header.len() > HEADER_BYTES_MAX {
        return Err(Forged::Malformed);
    }
    let (signed, signature) = header.rsplit_once('.').ok_or(Forged::Malformed)?;
    let (signed_at, nonce) = parse_signed(signed).ok_or(Forged::Malformed)?;
    let signature: [u8; 64] = bytes(signature).ok_or(Forged::Malformed)?;
    // The time is checked first: it is cheap, and a stale header needs no arithmetic on curves.
    if signed_at < now.saturating_sub(PROBE_AGE_MAX_MS) {
        return Err(Forged::Expired);
    }
    if signed_at > now.saturating_add(PROBE_AHEAD_MAX_MS) {
        return Err(Forged::Future);
    }
    let message = message(signed, address, path);
    // `verify_strict` would look for points of small order besides: a key that is one was refused when it was read, and
    // into a signature only who holds the private key could put one.
    key.0
        .verify(message.as_bytes(), &Signature::from_bytes(&signature))
        .map(|()| nonce)
        .map_err(|_| Forged::WrongSignature)
}

/// The nonces of probes that would still be believed, so that each is believed once. Bounded by [`NONCES_MAX`].
#[derive(Debug, Default)]
pub struct SeenNonces {
    seen: HashSet<Nonce>,
    in_order: VecDeque<(Millis, Nonce)>,
}

impl SeenNonces {
    /// Remembers the nonce of a verified probe; an error says that it is no proof of a probe after all.
    pub fn insert(&mut self, nonce: Nonce, now: Millis) -> Result<(), Forged> {
        // Nothing older could still pass `verify`, even if its sender's clock was ahead.
        let oldest = now.saturating_sub(PROBE_AGE_MAX_MS + PROBE_AHEAD_MAX_MS);
        while let Some((seen_at, old)) = self.in_order.front().copied()
            && seen_at < oldest
        {
            self.in_order.pop_front();
            self.seen.remove(&old);
        }
        if self.seen.contains(&nonce) {
            return Err(Forged::Replayed);
        }
        if self.seen.len() >= NONCES_MAX {
            return Err(Forged::TooMany);
        }
        self.seen.insert(nonce);
        self.in_order.push_back((now, nonce));
        Ok(())
    }

    /// How many nonces are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

/// What is signed. The path stands last, because it alone can hold any character.
fn message(signed: &str, address: IpAddr, path: &str) -> String {
    format!("perimeter-probe\n{signed}\n{}\n{path}", canonical_address(address))
}

fn parse_signed(signed: &str) -> Option<(Millis, Nonce)> {
    let mut fields = signed.split('.');
    let (version, signed_at, nonce) = (fields.next()?, fields.next()?, fields.next()?);
    let digits = signed_at.bytes().all(|byte| byte.is_ascii_digit());
    if version != VERSION || !digits || fields.next().is_some() {
        return None;
    }
    Some((signed_at.parse().ok()?, Nonce(bytes(nonce)?)))
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
