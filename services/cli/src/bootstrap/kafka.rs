//! `perimeter bootstrap kafka`: topics and the epoch.

use observe::Policy;
use pipeline::admin::{self, Adopted, Bootstrapped};
use pipeline::{Bus, Clock, Env};
use serde_json::json;

use super::{Step, print};
use crate::args::BootstrapKafka;
use crate::commands::config::{policy_file, read_policy};
use crate::failure::{Failure, Outcome};
use crate::output::Printer;
use crate::world;

pub(crate) async fn run(arguments: &BootstrapKafka, printer: &Printer) -> Outcome {
    let bus = bus(arguments.brokers.as_deref())?;
    let policy =
        if arguments.adopt { policy(arguments.policy.as_deref())? } else { Policy::default() };
    let now = Clock::system().now();
    let request = admin::Bootstrap {
        replication: arguments.replication,
        min_in_sync: arguments.min_isr,
        dry_run: arguments.dry_run,
        adopt: arguments.adopt,
    };
    let made = admin::bootstrap(&bus, request, now).await?;
    let both_there =
        made.present.iter().filter(|name| *name == "decisions" || *name == "leases").count() == 2;
    let adopted = if arguments.adopt && (both_there || !arguments.dry_run) {
        let adoption = admin::Adoption {
            protected: policy.protected(),
            limits: policy.limits(),
            replaces: arguments.replaces.clone(),
            dry_run: arguments.dry_run,
        };
        Some(admin::adopt(&bus, adoption, now).await?)
    } else {
        None
    };
    let steps = steps(&made, adopted.as_ref(), arguments);
    let extra = json!({
        "brokers": made.brokers,
        "created": made.created,
        "present": made.present,
        "differences": made.differences,
        "epoch": adopted.as_ref().map(|adopted| adopted.epoch).or(made.epoch),
        "dry_run": arguments.dry_run,
    });
    print(&steps, extra, printer)?;
    match made.differences.len() {
        0 => Ok(()),
        1 => Err(Failure::Error(
            "1 setting of an existing topic is not as it should be; see above".to_owned(),
        )),
        count => Err(Failure::Error(format!(
            "{count} settings of existing topics are not as they should be; see above"
        ))),
    }
}

fn steps(made: &Bootstrapped, adopted: Option<&Adopted>, arguments: &BootstrapKafka) -> Vec<Step> {
    let (create, write, adopt) = if arguments.dry_run {
        ("would create", "would write", "would adopt")
    } else {
        ("created", "wrote", "adopted")
    };
    let mut steps: Vec<Step> = Vec::new();
    for name in &made.created {
        let partitions = schemas::TOPICS
            .iter()
            .find(|spec| spec.name == *name)
            .map_or(0, |spec| spec.partitions);
        let detail = format!(
            "{partitions} partition(s), {} cop(ies), {} in sync to acknowledge",
            made.replication, made.min_in_sync
        );
        steps.push(Step::new(create, format!("topic {name}"), detail));
    }
    steps.extend(made.present.iter().map(|name| Step::new("present", format!("topic {name}"), "")));
    steps.extend(made.differences.iter().map(|sentence| Step::new("differs", sentence, "")));
    if made.epoch_written {
        steps.push(Step::new(
            write,
            "epoch",
            made.epoch.map_or_else(String::new, |epoch| epoch.to_string()),
        ));
    }
    if let Some(adopted) = adopted {
        let replaces: Vec<String> = adopted.replaces.iter().map(ToString::to_string).collect();
        let mut detail = format!("under epoch {}", adopted.epoch);
        if !replaces.is_empty() {
            detail.push_str(&format!(", which replaces {}", replaces.join(", ")));
        }
        if adopted.unreadable > 0 {
            detail.push_str(&format!(
                "; {} records could not be read and were passed over",
                adopted.unreadable
            ));
        }
        steps.push(Step::new(adopt, format!("{} lease(s)", adopted.leases), detail));
    }
    steps
}

/// The bus of the flag, the environment, or the local world, in this order.
pub(crate) fn bus(brokers: Option<&str>) -> Result<Bus, Failure> {
    let mut variables: Vec<(String, String)> = std::env::vars().collect();
    let set = variables
        .iter()
        .any(|(name, value)| name == "KAFKA_BOOTSTRAP_SERVERS" && !value.is_empty());
    let chosen = match brokers {
        Some(brokers) => Some(brokers.to_owned()),
        None if set => None,
        None => world::find()?.and_then(|world| world.kafka.bootstrap),
    };
    // The later of two settings of one name counts.
    variables.extend(chosen.map(|brokers| ("KAFKA_BOOTSTRAP_SERVERS".to_owned(), brokers)));
    let properties = Env::new("perimeter", variables).kafka_properties().map_err(|_| {
        Failure::Configuration(
            "no brokers are named and no local world runs; give --brokers host:9092 or set KAFKA_BOOTSTRAP_SERVERS"
                .to_owned(),
        )
    })?;
    Bus::kafka(properties).map_err(|error| Failure::Configuration(format!("{error:#}")))
}

/// The policy of the flag or of the local world. Adopting without one could let in what the policy protects.
fn policy(file: Option<&str>) -> Result<Policy, Failure> {
    match policy_file(file)? {
        Some(file) => read_policy(&file),
        None => Err(Failure::Configuration(
            "an adoption obeys the policy's protected networks and limits; give --policy FILE"
                .to_owned(),
        )),
    }
}
