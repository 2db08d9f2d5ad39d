//! Probes: what is believed, what is forged, and that each is believed once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::IpAddr;

use observe::probe::{
    Forged, KeyError, NONCES_MAX, Nonce, PROBE_PATH, PrivateKey, PublicKey, SeenNonces, sign,
    verify,
};
use proptest::prelude::*;

/// The example keys of RFC 8410, section 10.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
/// The same key with its public half inside, as some tools write it (without the RFC's attribute).
const PRIVATE_V2: &str = "-----BEGIN PRIVATE KEY-----
MFECAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
gSEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";
const OTHER_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA/QvswVprvq/CFM/JQL/efXtE9H9QAlU+nE4wTws9Yj0=
-----END PUBLIC KEY-----
";
/// The neutral point, which is of order 1.
const WEAK_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
-----END PUBLIC KEY-----
";
const NOW: i64 = 1_795_267_200_000;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn signed() -> String {
    sign(
        address("81.2.69.142"),
        PROBE_PATH,
        NOW,
        Nonce([7; 16]),
        &PrivateKey::from_pem(PRIVATE).unwrap(),
    )
}

#[track_caller]
fn check(header: &str, from: &str, path: &str, now: i64, expected: Result<Nonce, Forged>) {
    let key = PublicKey::from_pem(PUBLIC).unwrap();
    assert_eq!(verify(header, address(from), path, now, &key), expected, "{header}");
}

#[test]
fn our_own_probe_is_believed_for_ten_seconds() {
    let ours = Ok(Nonce([7; 16]));
    for late_ms in [0, 1, 10_000, -2_000] {
        check(&signed(), "81.2.69.142", PROBE_PATH, NOW + late_ms, ours);
    }
    check(&format!(" {}\t", signed()), "81.2.69.142", PROBE_PATH, NOW, ours);
    check(&signed(), "::ffff:81.2.69.142", PROBE_PATH, NOW, ours);
    check(&signed(), "81.2.69.142", PROBE_PATH, NOW + 10_001, Err(Forged::Expired));
    check(&signed(), "81.2.69.142", PROBE_PATH, NOW - 2_001, Err(Forged::Future));
}

#[test]
fn a_probe_proves_nothing_about_another_address_path_time_or_key() {
    let wrong = Err(Forged::WrongSignature);
    check(&signed(), "81.2.69.143", PROBE_PATH, NOW, wrong);
    check(&signed(), "81.2.69.142", "/login", NOW, wrong);
    check(&signed(), "81.2.69.142", "/.well-known/perimeter-probe?", NOW, wrong);
    check(
        &signed().replace("v1.17952672000", "v1.17952672001"),
        "81.2.69.142",
        PROBE_PATH,
        NOW,
        wrong,
    );
    check(&signed().replace("v1.1", "v1.01"), "81.2.69.142", PROBE_PATH, NOW, wrong);
    let other = PublicKey::from_pem(OTHER_PUBLIC).unwrap();
    assert_eq!(verify(&signed(), address("81.2.69.142"), PROBE_PATH, NOW, &other), wrong);
}

#[test]
fn what_is_not_a_probe_header_is_malformed() {
    let (front, signature) =
        signed().rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let forged = [
        String::new(),
        "v1".to_owned(),
        "v1...".to_owned(),
        front.clone(),
        format!("{front}.{signature}."),
        format!("{front}.{signature}.{signature}"),
        format!("{front}.{signature}="),
        format!("{front}.{}", &signature[1..]),
        format!("{front}.{}!", &signature[1..]),
        signed().replace("v1.", "v2."),
        signed().replace("v1.", "v1.-"),
        signed().replace("v1.", "v1.+"),
        signed().replace("v1.", "v1.99999999999999999999"),
        format!("v1..{}", &signed()[17..]),
        "v1.".repeat(1_000),
    ];
    for header in forged {
        check(&header, "81.2.69.142", PROBE_PATH, NOW, Err(Forged::Malformed));
    }
}

#[test]
fn a_nonce_is_new_once_for_as_long_as_its_probe_is_believed() {
    let mut seen = SeenNonces::default();
    assert_eq!(seen.insert(Nonce([1; 16]), NOW), Ok(()));
    assert_eq!(seen.insert(Nonce([2; 16]), NOW + 5), Ok(()));
    for later_ms in [0, 5, 12_000] {
        assert_eq!(seen.insert(Nonce([1; 16]), NOW + later_ms), Err(Forged::Replayed));
    }
    assert_eq!(seen.insert(Nonce([3; 16]), NOW + 12_001), Ok(()));
    assert_eq!(seen.len(), 2);
}

#[test]
fn the_memory_of_nonces_is_bounded_and_full_means_not_believed() {
    let mut seen = SeenNonces::default();
    let nonce = |number: usize| Nonce((number as u128).to_le_bytes());
    for number in 0..NONCES_MAX {
        assert_eq!(seen.insert(nonce(number), NOW), Ok(()));
    }
    assert_eq!(seen.insert(nonce(NONCES_MAX), NOW), Err(Forged::TooMany));
    assert_eq!(seen.insert(nonce(NONCES_MAX), NOW + 12_001), Ok(()));
    assert_eq!(seen.len(), 1);
}

#[test]
fn keys_are_read_from_pem_and_a_wrong_file_is_explained() {
    for pem in [PRIVATE, PRIVATE_V2, &format!("\n{PRIVATE}\n"), &PRIVATE.replace('\n', "\r\n")] {
        let header =
            sign(address("::1"), "/", NOW, Nonce([0; 16]), &PrivateKey::from_pem(pem).unwrap());
        let own = PrivateKey::from_pem(PRIVATE).unwrap().public();
        assert_eq!(verify(&header, address("::1"), "/", NOW, &own), Ok(Nonce([0; 16])));
        check(&header, "::1", "/", NOW, Ok(Nonce([0; 16])));
    }
    for text in ["", "rubbish", PUBLIC] {
        let error = PrivateKey::from_pem(text).unwrap_err();
        assert!(error == KeyError::NotPrivate && error.to_string().contains("openssl genpkey"));
    }
    for text in ["", "rubbish", PRIVATE, WEAK_PUBLIC] {
        assert_eq!(PublicKey::from_pem(text).unwrap_err(), KeyError::NotPublic);
    }
    let shown = format!("{:?}", PrivateKey::from_pem(PRIVATE).unwrap());
    assert_eq!(shown, "PrivateKey(hidden)");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changing_any_character_unmakes_a_probe(index in 0..127usize, character in "[ -~]") {
        let mut changed = signed();
        prop_assume!(index < changed.len());
        changed.replace_range(index..=index, &character);
        prop_assume!(changed != signed());
        let key = PublicKey::from_pem(PUBLIC).unwrap();
        prop_assert!(verify(&changed, address("81.2.69.142"), PROBE_PATH, NOW, &key).is_err());
    }

    #[test]
    fn any_text_is_read_without_panic(header in ".{0,200}") {
        let key = PublicKey::from_pem(PUBLIC).unwrap();
        prop_assert!(verify(&header, address("81.2.69.142"), PROBE_PATH, NOW, &key).is_err());
    }
}
