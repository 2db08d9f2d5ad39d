//! Records as the pipeline would publish them, and an edge that answers as it is told.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use loadtest::traffic::plan::{Family, IncidentPlan};
use schemas::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

pub(crate) const MARKED: &str =
    "HTTP/1.1 200 OK\r\nx-sample-application: yes\r\ncontent-length: 2\r\n\r\nok";
pub(crate) const DENIED: &str =
    "HTTP/1.1 403 Forbidden\r\nx-perimeter-decision: 0e9b\r\ncontent-length: 6\r\n\r\ndenied";

/// One block from its detection on.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) observable: Observable,
    pub(crate) detected_at: Millis,
    pub(crate) until: Millis,
    pub(crate) category: Category,
}

impl Block {
    pub(crate) fn new(address: IpAddr, detected_at: Millis, until: Millis) -> Self {
        let category = Category::SqlInjection;
        Block { observable: Observable::client(address), detected_at, until, category }
    }

    fn id(&self) -> Uuid {
        Uuid::new_v5(
            &Uuid::NAMESPACE_OID,
            format!("{}/{}", self.observable, self.detected_at).as_bytes(),
        )
    }

    pub(crate) fn detection(&self) -> Detection {
        let evidence = Evidence {
            rule: "sqli-union".to_owned(),
            place: "query:id".to_owned(),
            value: "1' union select \u{1b}[31m password".to_owned(),
            weight: 4.5,
            explanation: "reads another table".to_owned(),
            event_id: self.id(),
        };
        Detection {
            detection_id: self.id(),
            observable: self.observable.clone(),
            detected_at: self.detected_at,
            probability: 0.99,
            severity: Severity::High,
            category: self.category,
            provenance: Provenance::ProxyAsserted,
            evidence: vec![evidence],
        }
    }

    pub(crate) fn decision(&self) -> Decision {
        Decision {
            decision_id: self.id(),
            detection_id: Some(self.id()),
            until: Some(self.until),
            strikes: 1,
            explanation: "severity high is blocked".to_owned(),
            detected_at: Some(self.detected_at),
            provenance: Some(Provenance::ProxyAsserted),
            severity: Some(Severity::High),
            category: Some(self.category),
            ..Decision::by_pipeline(Action::Block, self.observable.clone())
        }
    }

    pub(crate) fn lease(&self) -> Lease {
        let claim = Claim {
            origin: Origin::Pipeline,
            action: Action::Block,
            until: self.until,
            strikes: 1,
            decision_id: self.id(),
            decided_at: self.detected_at + 20,
            counts: true,
            provenance: Some(Provenance::ProxyAsserted),
            signature: None,
        };
        Lease { claims: vec![claim], ..Lease::empty(self.observable.clone(), 1) }
    }

    pub(crate) fn enforcement(
        &self,
        point: &str,
        status: Status,
        enforced_at: Millis,
    ) -> Enforcement {
        let reason = if status == Status::Failed { "capacity".to_owned() } else { String::new() };
        let (decision, generation) = (self.decision(), Generation { epoch: 1, offset: 0 });
        let (phase, at) = (Phase::Apply, enforced_at);
        Enforcement { reason, ..Enforcement::of(&decision, point, phase, status, generation, at) }
    }

    pub(crate) fn outcome(
        &self,
        point: &str,
        level: i32,
        phase: Phase,
        verified_at: Millis,
    ) -> Outcome {
        Outcome {
            outcome_id: Outcome::id(self.id(), point, level, phase, Effect::Effective, 0),
            decision_id: self.id(),
            observable: self.observable.clone(),
            point: point.to_owned(),
            level,
            phase,
            effect: Effect::Effective,
            change: 0,
            action: Action::Block,
            origin: Origin::Pipeline,
            until: Some(self.until),
            detected_at: Some(self.detected_at),
            verified_at,
            verdict: Verdict::InsufficientData,
            reason: String::new(),
        }
    }
}

pub(crate) fn incident(id: usize, address: &str) -> IncidentPlan {
    let address = address.parse().unwrap();
    IncidentPlan {
        id,
        category: Category::SqlInjection,
        family: Family::V4,
        address,
        agent: "test",
    }
}

/// One request as an edge saw it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) client: IpAddr,
    pub(crate) target: String,
    pub(crate) form: String,
}

/// Serves HTTP on a free port; an empty answer closes the connection.
pub(crate) async fn serve(answer: impl Fn(Asked) -> String + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move { converse(stream, answer.as_ref()).await });
        }
    });
    address
}

async fn converse(
    mut stream: TcpStream,
    answer: &(impl Fn(Asked) -> String + ?Sized),
) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            more(&mut stream, &mut buffer).await?;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        let length: usize =
            header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
        while buffer.len() < end + length {
            more(&mut stream, &mut buffer).await?;
        }
        let asked = Asked {
            client: header("x-forwarded-for")?.parse().ok()?,
            target: head.split(' ').nth(1)?.to_owned(),
            form: String::from_utf8_lossy(&buffer[end..end + length]).into_owned(),
        };
        buffer.drain(..end + length);
        let text = answer(asked);
        if text.is_empty() {
            return None;
        }
        stream.write_all(text.as_bytes()).await.ok()?;
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 4096];
    let count = stream.read(&mut bytes).await.ok().filter(|count| *count > 0)?;
    buffer.extend_from_slice(&bytes[..count]);
    Some(())
}
