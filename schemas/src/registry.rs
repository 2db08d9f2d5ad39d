//! Confluent's framing: which schema ids of a registry stand for which schema of ours.
//!
//! A framed message is a zero byte, the id of the writer's schema in a registry as four bytes, the highest first, and
//! the datum. Which ids are meant is said once, before anything is read: nothing is ever looked up because a message
//! asked for it. Asking the registry is `pipeline`'s part.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use apache_avro::Schema;
use serde_json::Value;

use crate::record;

/// The first byte of a framed message.
pub(crate) const FRAMED: u8 = 0;

static ACCEPTED: OnceLock<SchemaIds> = OnceLock::new();

/// The ids that are accepted, each with the fingerprint of the schema of ours that it stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaIds(BTreeMap<u32, u64>);

impl SchemaIds {
    /// Takes `id` in if `avsc` is one of our schemas, of today or before; answers whether it is.
    ///
    /// The same means what Avro's canonical form means: names, types and their order count, and no documentation,
    /// default or logical type.
    pub fn take(&mut self, id: u32, avsc: &str) -> bool {
        let Some(schema) = plain(avsc) else { return false };
        let Some(fingerprint) = record::fingerprint_of(&schema) else { return false };
        self.0.insert(id, fingerprint);
        true
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Accepts framed messages with these ids from now on, in the whole process. The first call counts.
pub fn accept(ids: SchemaIds) {
    // A second call has asked the same registry.
    ACCEPTED.set(ids).ok();
}

/// The fingerprint of the schema that an accepted id stands for.
pub(crate) fn fingerprint(id: u32) -> Option<u64> {
    ACCEPTED.get()?.0.get(&id).copied()
}

/// A schema without its logical types, which neither the canonical form nor a fingerprint may see: the library's own
/// leave out everything else. (Its canonical form is not for foreign schemas: some attributes make it panic; equality
/// means the same.)
pub(crate) fn plain(avsc: &str) -> Option<Schema> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("logicalType");
                fields.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut json: Value = serde_json::from_str(avsc).ok()?;
    strip(&mut json);
    Schema::parse(&json).ok()
}
