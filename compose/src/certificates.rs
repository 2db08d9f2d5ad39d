//! The world's own certificate authority, and what it signs: one certificate per service, one for Envoy, one for the
//! operator, and the key pair of our probes. Made at every start and kept nowhere else.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Who gets a certificate, and the identity it carries.
const SERVICES: [&str; 6] = ["collector", "scorer", "decider", "executor", "verifier", "envoy"];
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3_600);
/// The operator of the local world.
pub const OPERATOR: &str = "operator-local";

/// Makes everything in `folder`, anew.
pub fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("could not make {}", folder.display()))?;
    let authority = authority().context("could not make the certificate authority")?;
    write(&folder.join("ca.pem"), &authority.1)?;
    for service in SERVICES {
        sign(folder, service, &format!("spiffe://perimeter/service/{service}"), &authority.0)?;
    }
    sign(folder, OPERATOR, "spiffe://perimeter/operator/local", &authority.0)?;
    probe_keys(folder)
}

/// The private and the public key of our probes.
pub fn probe_key_paths(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("probe.key"), folder.join("probe.pem"))
}

fn authority() -> Result<(Issuer<'static, KeyPair>, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "perimeter local authority");
    valid(&mut params);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}

fn sign(
    folder: &Path,
    name: &str,
    identity: &str,
    authority: &Issuer<'static, KeyPair>,
) -> Result<()> {
    let (certificate, key) = signed(name, identity, authority)
        .with_context(|| format!("could not make the certificate of {name}"))?;
    write(&folder.join(format!("{name}.pem")), &certificate)?;
    write(&folder.join(format!("{name}.key")), &key)
}

fn signed(
    name: &str,
    identity: &str,
    authority: &Issuer<'static, KeyPair>,
) -> Result<(String, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = vec![
        SanType::URI(identity.try_into()?),
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    ];
    params.use_authority_key_identifier_extension = true;
    valid(&mut params);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

/// From an hour ago, for machines whose clock was just set back, until long after this world is gone.
fn valid(params: &mut CertificateParams) {
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(3_600)).into();
    params.not_after = (now + LIFETIME).into();
}

fn probe_keys(folder: &Path) -> Result<()> {
    let (private, public) = probe_key_paths(folder);
    let key = SigningKey::from_bytes(&rand::random());
    // Without the public half: OpenSSL 3.0 cannot read the form that has both.
    let pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    let pem =
        pair.to_pkcs8_pem(LineEnding::LF).context("could not write the probes' private key")?;
    write(&private, &pem)?;
    let pem = key
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .context("could not write the probes' public key")?;
    write(&public, &pem)
}

/// Keys are nobody else's to read, and one mode for all files is one thing less to get wrong.
fn write(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("could not write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn openssl(folder: &Path, arguments: &[&str]) -> String {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn every_identity_is_signed_by_the_authority_and_says_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path()).unwrap();
        for service in SERVICES {
            let file = format!("{service}.pem");
            assert!(openssl(folder.path(), &["verify", "-CAfile", "ca.pem", &file]).contains("OK"));
            let text = openssl(folder.path(), &["x509", "-in", &file, "-noout", "-text"]);
            for expected in [
                format!(
                    "URI:spiffe://perimeter/service/{service}, DNS:localhost, IP Address:127.0.0.1"
                ),
                "TLS Web Server Authentication, TLS Web Client Authentication".to_owned(),
            ] {
                assert!(text.contains(&expected), "{expected} not in\n{text}");
            }
        }
        let text =
            openssl(folder.path(), &["x509", "-in", "operator-local.pem", "-noout", "-text"]);
        assert!(text.contains("URI:spiffe://perimeter/operator/local"), "{text}");
    }

    #[test]
    fn the_probes_keys_are_a_pair_that_others_can_read() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path()).unwrap();
        let public = openssl(folder.path(), &["pkey", "-in", "probe.key", "-pubout"]);
        assert_eq!(public, std::fs::read_to_string(folder.path().join("probe.pem")).unwrap());
    }
}
