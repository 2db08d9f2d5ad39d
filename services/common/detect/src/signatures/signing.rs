//! Packs of others: believed only when signed with a key of the configuration.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};

use super::pack::{PACK_BYTES_MAX, PackError};

/// A public key that packs may be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackKey(VerifyingKey);

impl PackKey {
    /// Reads the configured form: 32 bytes in base64.
    pub fn parse(text: &str) -> Result<Self, String> {
        let why = "a pack key is an ed25519 public key: 32 bytes in base64";
        let bytes = STANDARD.decode(text.trim()).map_err(|_| why.to_owned())?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| why.to_owned())?;
        VerifyingKey::from_bytes(&bytes).map(Self).map_err(|_| why.to_owned())
    }
}

/// The text of the pack in `bytes`, if `signature` (64 bytes, or the same in base64) is over exactly these bytes by
/// one of `keys`. Only then is anything of it read.
pub fn verify<'a>(
    pack: &str,
    bytes: &'a [u8],
    signature: &[u8],
    keys: &[PackKey],
) -> Result<&'a str, PackError> {
    if bytes.len() > PACK_BYTES_MAX {
        return Err(PackError::Size { pack: pack.to_owned(), bytes: bytes.len() });
    }
    let refuse = |why: &str| PackError::Signed { pack: pack.to_owned(), why: why.to_owned() };
    if keys.is_empty() {
        return Err(refuse("no pack key is configured: set one, or keep to the built-in packs"));
    }
    let signature = detached(signature).ok_or_else(|| {
        refuse("its signature is not 64 bytes (or these in base64): sign the pack again")
    })?;
    if !keys.iter().any(|key| key.0.verify_strict(bytes, &signature).is_ok()) {
        return Err(refuse(
            "its signature is by no configured key over these bytes: sign the pack again",
        ));
    }
    std::str::from_utf8(bytes)
        .map_err(|_| PackError::Form { pack: pack.to_owned(), why: "it is not UTF-8".to_owned() })
}

fn detached(bytes: &[u8]) -> Option<Signature> {
    if let Ok(raw) = Signature::from_slice(bytes) {
        return Some(raw);
    }
    let decoded = STANDARD.decode(bytes.trim_ascii()).ok()?;
    Signature::from_slice(&decoded).ok()
}
