//! Files of certificates: one that cannot be used is named before anything connects, with what is wrong with it.

use pipeline::{Bus, ConfigError, Env, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

const SETTINGS: [&str; 3] = ["TLS_CA", "TLS_CERT", "TLS_KEY"];
/// PEM as it should be, around what is none of these.
const NO_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const NO_KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
const CUT_OFF: &str = "-----BEGIN CERTIFICATE-----\nMIIB";

/// The files of a process, by the names of the settings that name them.
struct Files(TempDir);

impl Files {
    /// Files that can be used.
    fn good() -> Self {
        let files = Files(TempDir::new().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        files.write("TLS_CA", &authority.pem());
        files.write("TLS_CERT", &certificate.pem());
        files.write("TLS_KEY", &key.serialize_pem());
        files
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Reads the settings of these names as every service does.
    fn read(&self, names: &[&str]) -> Result<Option<Tls>, ConfigError> {
        let set = names.iter().map(|name| (format!("SCORER_{name}"), self.path(name)));
        Tls::from_env(&mut Env::new("scorer", set))
    }

    /// A bus that is reached by `protocol` with these files.
    fn bus(&self, protocol: &str) -> Result<Bus, String> {
        let property = |name: &str, value: String| (name.to_owned(), value);
        let properties = vec![
            property("bootstrap.servers", "127.0.0.1:9".to_owned()),
            property("security.protocol", protocol.to_owned()),
            property("ssl.ca.location", self.path("TLS_CA")),
            property("ssl.certificate.location", self.path("TLS_CERT")),
            property("ssl.key.location", self.path("TLS_KEY")),
        ];
        Bus::kafka(properties).map_err(|error| format!("{error:#}"))
    }
}

/// With `text` in its file, the setting `name` is told as unusable for `words`.
#[track_caller]
fn check(name: &str, text: &str, words: &str) {
    let files = Files::good();
    files.write(name, text);
    let told = files.read(&SETTINGS).unwrap_err().to_string();
    let named = format!("SCORER_{name}={} cannot be used: ", files.path(name));
    assert!(
        told.starts_with(&named) && told.contains(words),
        "'{named}…{words}' is not in: {told}"
    );
    assert!(told.contains("; set it to the PEM file of "), "{told}");
    assert_eq!(told.lines().count(), 1, "more than a sentence: {told}");
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_is_wrong_with_it() {
    let other = KeyPair::generate().unwrap().serialize_pem();
    for name in ["TLS_CA", "TLS_CERT"] {
        check(name, "", "it holds no certificate in PEM");
        check(name, "a certificate", "it holds no certificate in PEM");
        check(name, &other, "it holds no certificate in PEM");
        check(name, CUT_OFF, "its PEM is broken");
    }
    for (name, text, words) in [
        ("TLS_CA", NO_CERTIFICATE, "certificate 1 in it is broken"),
        ("TLS_CERT", NO_CERTIFICATE, "its first certificate is broken"),
        ("TLS_KEY", "", "it holds no private key in PEM"),
        ("TLS_KEY", NO_CERTIFICATE, "it holds no private key in PEM"),
        ("TLS_KEY", NO_KEY, "failed to parse private key"),
        ("TLS_KEY", other.as_str(), "it is not the key of the first certificate in /"),
    ] {
        check(name, text, words);
    }
}

#[test]
fn a_chain_begins_with_the_certificate_of_the_key() {
    let files = Files::good();
    let (own, authority) = (files.text("TLS_CERT"), files.text("TLS_CA"));
    files.write("TLS_CERT", &format!("{own}{authority}"));
    assert!(files.read(&SETTINGS).unwrap().is_some());
    check("TLS_CERT", &format!("{own}{CUT_OFF}"), "its PEM is broken");
    files.write("TLS_CERT", &format!("{authority}{own}"));
    let told = files.read(&SETTINGS).unwrap_err().to_string();
    let words = format!("it is not the key of the first certificate in {}", files.path("TLS_CERT"));
    assert!(told.contains(&words), "{told}");
}

#[test]
fn all_three_are_needed_or_none() {
    let files = Files::good();
    assert!(files.read(&[]).unwrap().is_none());
    for missing in SETTINGS {
        let set: Vec<&str> = SETTINGS.into_iter().filter(|name| *name != missing).collect();
        let told = files.read(&set).unwrap_err().to_string();
        assert!(told.starts_with(&format!("SCORER_{missing} is not set")), "{told}");
    }
    for name in SETTINGS {
        let files = Files::good();
        std::fs::remove_file(files.path(name)).unwrap();
        let told = files.read(&SETTINGS).unwrap_err().to_string();
        assert!(told.starts_with(&format!("SCORER_{name}={}", files.path(name))), "{told}");
    }
}

#[test]
fn the_files_for_kafka_are_read_before_anything_connects() {
    let other = KeyPair::generate().unwrap().serialize_pem();
    for (name, property, text) in [
        ("TLS_CA", "ssl.ca.location", "an authority"),
        ("TLS_CERT", "ssl.certificate.location", NO_CERTIFICATE),
        ("TLS_KEY", "ssl.key.location", other.as_str()),
    ] {
        for protocol in ["ssl", "SASL_SSL"] {
            let files = Files::good();
            assert!(files.bus(protocol).is_ok(), "{protocol}");
            files.write(name, text);
            let told = files.bus(protocol).err().unwrap();
            let named = format!("{property}={}", files.path(name));
            assert!(told.contains(&named), "'{named}' is not in: {told}");
            assert!(files.bus("plaintext").is_ok(), "nobody reads them");
        }
    }
}

#[test]
fn whom_this_machine_trusts_is_checked_where_that_is_asked_for() {
    let files = Files::good();
    files.write("empty.pem", "");
    for (file, words) in [
        (files.path("TLS_CA"), None),
        (files.path("empty.pem"), Some("it holds no certificate in PEM")),
        (files.path("nowhere.pem"), Some("No such file")),
        (String::new(), None),
    ] {
        let env = Env::new("scorer", [("SSL_CERT_FILE".to_owned(), file.clone())]);
        let told = env.check_trusted().err().map(|error| error.to_string());
        let expected = words.map(|words| format!("SSL_CERT_FILE={file} cannot be used: {words}"));
        assert_eq!(told.is_some(), expected.is_some(), "{told:?}");
        let (told, expected) = (told.unwrap_or_default(), expected.unwrap_or_default());
        assert!(told.starts_with(&expected), "'{expected}' does not begin: {told}");
    }
}
