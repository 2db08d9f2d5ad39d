//! The file that `COLLECTOR_INTAKE_FILE` names: who may send documents over HTTPS, and how far each is believed.

use std::net::SocketAddr;

use serde::Deserialize;

use super::parts::{self, Word};
use crate::logic::senders::{DIGEST_BYTES, Sender, Senders};

/// Most senders.
const SENDERS_MAX: usize = 1_024;

/// The HTTP intake.
#[derive(Debug, Clone)]
pub struct Intake {
    pub address: SocketAddr,
    pub senders: Senders,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    address: SocketAddr,
    #[serde(default)]
    sender: Vec<FormSender>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormSender {
    name: String,
    token_sha256: Option<String>,
    identity: Option<String>,
    #[serde(default)]
    provenance: Word,
}

impl Intake {
    /// Reads and checks the file's text. Says what to write where it cannot be used.
    pub fn parse(text: &str) -> Result<Intake, String> {
        let form: Form = toml::from_str(text).map_err(|error| super::sentence(text, &error))?;
        if form.sender.is_empty() || form.sender.len() > SENDERS_MAX {
            return Err(format!(
                "it has {} [[sender]] entries; write 1 to {SENDERS_MAX}, each with a name and a token_sha256 or an identity",
                form.sender.len()
            ));
        }
        let mut senders: Vec<Sender> = Vec::with_capacity(form.sender.len());
        for sender in form.sender {
            let sender = checked(sender)?;
            if senders.iter().any(|other| other.name == sender.name) {
                return Err(format!("the name {} stands twice", sender.name));
            }
            // Whose word it is, and how far it is believed, must not hang on who stands first.
            let alike = senders.iter().find_map(|other| Some((other, shared(other, &sender)?)));
            if let Some((other, what)) = alike {
                let names = (&other.name, &sender.name);
                return Err(format!(
                    "the senders {} and {} have the same {what}",
                    names.0, names.1
                ));
            }
            senders.push(sender);
        }
        Ok(Intake { address: form.address, senders: Senders(senders) })
    }
}

/// By what two senders could not be told apart.
fn shared(one: &Sender, other: &Sender) -> Option<&'static str> {
    if one.token.is_some() && one.token == other.token {
        return Some("token_sha256; give each a token of its own");
    }
    let identity = one.identity.is_some() && one.identity == other.identity;
    identity.then_some("identity; give each a certificate of its own")
}

fn checked(form: FormSender) -> Result<Sender, String> {
    let name = parts::name(form.name)?;
    let token = match form.token_sha256 {
        None => None,
        Some(text) => Some(digest(&text).ok_or_else(|| {
            format!(
                "token_sha256 of {name} must be 64 hexadecimal digits: printf %s TOKEN | sha256sum"
            )
        })?),
    };
    let identity = form.identity.map(|identity| parts::identity(identity, &name)).transpose()?;
    if token.is_none() && identity.is_none() {
        return Err(format!("the sender {name} needs a token_sha256 or an identity"));
    }
    let authoritative = form.provenance.authoritative();
    Ok(Sender { name, token, identity, authoritative })
}

fn digest(text: &str) -> Option<[u8; DIGEST_BYTES]> {
    let mut digest = [0; DIGEST_BYTES];
    if text.len() != 2 * DIGEST_BYTES || !text.is_ascii() {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(digest)
}
