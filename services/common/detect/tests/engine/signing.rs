//! A pack is taken only with a signature by the configured key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use detect::signatures::signing::{PackKey, verify};
use ed25519_dalek::{Signer as _, SigningKey};

const PACK: &[u8] = b"[[signature]]\n";

fn pair(seed: u8) -> (SigningKey, PackKey) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let public = PackKey::parse(&STANDARD.encode(key.verifying_key().to_bytes())).expect("a key");
    (key, public)
}

#[test]
fn a_pack_is_believed_with_a_signature_over_its_bytes_by_a_configured_key() {
    let ((key, public), (_, other)) = (pair(1), pair(2));
    let raw = key.sign(PACK).to_bytes();
    let encoded = format!("{}\n", STANDARD.encode(raw));
    for signature in [&raw[..], encoded.as_bytes()] {
        assert!(verify("a.toml", PACK, signature, &[other.clone(), public.clone()]).is_ok());
    }
}

#[test]
fn anything_else_is_refused_with_what_to_do() {
    let ((key, public), (_, other)) = (pair(1), pair(2));
    let good = key.sign(PACK).to_bytes();
    let check = |bytes: &[u8], signature: &[u8], keys: &[PackKey], why: &str| {
        let error = verify("a.toml", bytes, signature, keys).expect_err(why).to_string();
        assert!(error.contains("a.toml") && error.contains(why), "{error:?} does not say {why:?}");
    };
    check(PACK, &good, &[other], "by no configured key");
    check(PACK, &good, &[], "no pack key is configured");
    check(b"[[signature]] ", &good, std::slice::from_ref(&public), "by no configured key");
    check(PACK, b"short", std::slice::from_ref(&public), "not 64 bytes");
    check(&vec![b' '; (1 << 20) + 1], &good, std::slice::from_ref(&public), "split it");
    let broken = [0xff, 0xfe];
    check(&broken, &key.sign(&broken).to_bytes(), &[public], "not UTF-8");
}

#[test]
fn a_key_that_is_none_is_refused() {
    for text in ["", "AAAA", "not base64!", &STANDARD.encode([0xff; 31])] {
        assert!(PackKey::parse(text).is_err(), "{text}");
    }
}
