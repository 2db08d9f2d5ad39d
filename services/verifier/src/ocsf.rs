//! Tells others what happens: every detection and outcome as an OCSF document, on a topic of its own. The documents
//! are [`observe::ocsf`]'s; nothing here is read by the proof.

use std::time::Duration;

use anyhow::{Result, anyhow};
use observe::ocsf::{detection, outcome};
use pipeline::{Context, Fault, Group, Message, Outputs, Received, Stage, run};
use schemas::topic::OCSF;
use schemas::{Detection, Outcome, Record};

use crate::config::Switch;

const RETRY: Duration = Duration::from_secs(5);

/// Answers each record with its document, under the record's own key.
pub struct Export<R> {
    class: &'static str,
    document: fn(&R) -> serde_json::Result<Vec<u8>>,
}

impl Export<Detection> {
    pub fn detections() -> Self {
        Export {
            class: "detection_finding",
            document: |record| serde_json::to_vec(&detection(record)),
        }
    }
}

impl Export<Outcome> {
    pub fn outcomes() -> Self {
        Export {
            class: "network_remediation_activity",
            document: |record| serde_json::to_vec(&outcome(record)),
        }
    }
}

impl<R> Stage for Export<R>
where
    R: for<'a> Record<View<'a> = R> + Sync,
{
    type Input = R;

    async fn handle(&mut self, batch: &[Received<'_, R>], out: &mut Outputs) {
        for received in batch {
            out.continue_trace(received.headers.trace());
            match (self.document)(&received.record) {
                Ok(payload) => {
                    let key = received.record.key().into_bytes();
                    out.push_message(Message {
                        topic: OCSF.to_owned(),
                        key,
                        payload,
                        partition: None,
                        headers: Vec::new(),
                    });
                    count(self.class, 1);
                }
                Err(error) => out.fault(received.offset, Fault::Reject(anyhow!(error))),
            }
        }
    }
}

/// Exports until shutdown, if that is asked for.
pub async fn export(context: &Context, asked: Switch) -> Result<()> {
    if asked == Switch::Off {
        return Ok(());
    }
    // Its spans are not the proof's, and nobody waits for a document as the loop waits for a record.
    let bus = context.bus.clone().in_bulk();
    let context = Context { service: "ocsf", bus, ..context.clone() };
    tokio::join!(
        keep(&context, Group("verifier-ocsf-detections"), Export::detections),
        keep(&context, Group("verifier-ocsf-outcomes"), Export::outcomes),
    );
    Ok(())
}

/// Runs a stage until shutdown. It never ends the process, whose work is the proof: it is told and begun again.
async fn keep<R>(context: &Context, group: Group, stage: fn() -> Export<R>)
where
    R: for<'a> Record<View<'a> = R> + Sync,
{
    count(stage().class, 0);
    while !context.shutdown.is_cancelled() {
        let Err(error) = run(context, group, move |_| Ok(stage())).await else { return };
        tracing::warn!(
            error = format!("{error:#}"),
            group = group.0,
            "the OCSF export stopped; trying again"
        );
        tokio::select! {
            () = context.shutdown.cancelled() => {}
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

fn count(class: &'static str, documents: u64) {
    metrics::counter!("perimeter_ocsf_documents_total", "class" => class).increment(documents);
}
