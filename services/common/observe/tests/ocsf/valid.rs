//! Whether a document follows the published schema of its class, and OCSF's one rule that a schema cannot say.

use std::collections::BTreeMap;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

const DETECTION_FINDING: &str =
    include_str!("../../../../../schemas/ocsf/1.8.0/detection_finding.json");
const NETWORK_REMEDIATION_ACTIVITY: &str =
    include_str!("../../../../../schemas/ocsf/1.8.0/network_remediation_activity.json");

/// Both classes, compiled once for each thread of tests.
struct Classes {
    schemas: Schemas,
    by_uid: BTreeMap<i64, SchemaIndex>,
}

thread_local! {
    static CLASSES: Classes = compile();
}

fn compile() -> Classes {
    let (mut schemas, mut by_uid) = (Schemas::new(), BTreeMap::new());
    for (uid, text) in [(2004, DETECTION_FINDING), (7004, NETWORK_REMEDIATION_ACTIVITY)] {
        let schema: Value = serde_json::from_str(text).unwrap();
        let url = schema["$id"].as_str().unwrap().to_owned();
        let mut compiler = Compiler::new();
        compiler.add_resource(&url, schema).unwrap();
        by_uid.insert(uid, compiler.compile(&url, &mut schemas).unwrap());
    }
    Classes { schemas, by_uid }
}

/// Says what is wrong with a document of OCSF's.
pub(crate) fn validate(document: &Value) -> Result<(), String> {
    let number = |name: &str| document[name].as_i64().unwrap_or_default();
    let class = number("class_uid");
    CLASSES.with(|classes| {
        let Some(schema) = classes.by_uid.get(&class) else {
            return Err(format!("no document of class {class} is written here"));
        };
        classes.schemas.validate(document, *schema).map_err(|error| format!("{error:#}"))
    })?;
    let expected = class * 100 + number("activity_id");
    match number("type_uid") == expected {
        true => Ok(()),
        false => Err(format!("type_uid must be {expected}: {}", document["type_uid"])),
    }
}
