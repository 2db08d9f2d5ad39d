//! The file that `COLLECTOR_KAFKA_FILE` names: which topics of the user's own are read, as what, and from whose brokers.

use std::collections::BTreeMap;
use std::fmt;

use observe::logs::Dates;
use pipeline::Bus;
use serde::Deserialize;

use super::parts::{self, Word};
use crate::logic::records::Form;

/// Most topics.
const TOPICS_MAX: usize = 32;
/// Longest name of a topic, as Kafka has it.
const NAME_BYTES_MAX: usize = 249;
const SERVERS: &str = "bootstrap.servers";

/// Topics of the user's own.
#[derive(Clone)]
pub struct Kafka {
    /// librdkafka's. They hold secrets.
    pub properties: Vec<(String, String)>,
    /// Of these properties.
    pub bus: Bus,
    pub topics: Vec<Topic>,
}

/// A topic and what its records are.
#[derive(Debug, Clone)]
pub struct Topic {
    pub name: String,
    pub form: Form,
    pub group: String,
    pub dates: Dates,
    /// Whether a client's address is believed as far as the form allows; else it is what a feed says.
    pub authoritative: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormFile {
    #[serde(default)]
    properties: BTreeMap<String, String>,
    #[serde(default)]
    topic: Vec<FormTopic>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormTopic {
    name: String,
    format: String,
    group: Option<String>,
    #[serde(default)]
    utc_offset_minutes: i16,
    #[serde(default)]
    provenance: Word,
}

impl Kafka {
    /// Reads and checks the file's text. `ours` are the properties for our own brokers, which hold unless the file names
    /// others; `secret` come from the environment and stand above all. Says what to write where it cannot be used. Connects
    /// to nothing.
    pub fn parse(
        text: &str,
        ours: Vec<(String, String)>,
        secret: Vec<(String, String)>,
    ) -> Result<Kafka, String> {
        let form: FormFile = toml::from_str(text).map_err(|error| super::sentence(text, &error))?;
        if form.topic.is_empty() || form.topic.len() > TOPICS_MAX {
            return Err(format!(
                "it has {} [[topic]] entries; write 1 to {TOPICS_MAX}, each with a name and a format",
                form.topic.len()
            ));
        }
        let mut topics: Vec<Topic> = Vec::with_capacity(form.topic.len());
        for form in form.topic {
            let topic = checked(form)?;
            if topics.iter().any(|other| other.name == topic.name) {
                return Err(format!("the topic {} stands twice", topic.name));
            }
            topics.push(topic);
        }
        // Somebody else's brokers need none of the properties that ours do.
        let own =
            form.properties.contains_key(SERVERS) || secret.iter().any(|(name, _)| name == SERVERS);
        let base = if own { Vec::new() } else { ours };
        let properties: Vec<_> = base.into_iter().chain(form.properties).chain(secret).collect();
        let bus = Bus::kafka(properties.clone()).map_err(|error| format!("{error:#}"))?;
        Ok(Kafka { properties, bus, topics })
    }
}

fn checked(form: FormTopic) -> Result<Topic, String> {
    let name = form.name;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
        return Err(format!("'{name}' is no name of a topic"));
    }
    if schemas::TOPICS.iter().any(|ours| ours.name == name) {
        return Err(format!("{name} is a topic of ours; what is published there is read anyway"));
    }
    let form_of_records = match form.format.as_str() {
        "documents" => Form::Documents,
        "event" => Form::Event,
        // Many may write to a topic, so nobody guesses what a record is: a client may have chosen its text.
        named => match parts::format(named, &name)? {
            Some(format) => Form::Lines(format),
            None => {
                return Err(format!(
                    "format of {name} must be documents, event, or the format of its lines; auto is for files"
                ));
            }
        },
    };
    let dates = parts::dates(None, form.utc_offset_minutes, &name)?;
    let group = form.group.unwrap_or_else(|| format!("perimeter-{name}"));
    if group.is_empty() {
        return Err(format!("group of {name} must not be empty"));
    }
    let authoritative = form.provenance.authoritative();
    Ok(Topic { name, form: form_of_records, group, dates, authoritative })
}

impl fmt::Debug for Kafka {
    /// The names of the properties only: among the values are passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Kafka").field("properties", &names).field("topics", &self.topics).finish()
    }
}
