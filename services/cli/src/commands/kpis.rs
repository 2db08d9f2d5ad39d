//! `perimeter kpis`: the key figures of the last 24 hours, each share with its interval.

use proto::v1::{KpisReply, KpisRequest, Share};
use serde_json::{Value, json};

use super::show::{self, when};
use crate::args::Connection;
use crate::connection;
use crate::duration;
use crate::failure::{Failure, Outcome};
use crate::output::{Cell, Printer, cell};

pub(crate) async fn kpis(connection: Connection, printer: &Printer) -> Outcome {
    let mut client = connection::query(&connection).await?;
    let reply = client.kpis(KpisRequest {}).await;
    let reply = reply.map_err(|status| Failure::from_status(&status))?.into_inner();
    if printer.json() {
        return Ok(printer.document(&document(&reply))?);
    }
    Ok(printer.text(&table(&reply, printer))?)
}

fn table(reply: &KpisReply, printer: &Printer) -> String {
    let proof = match reply.proofs {
        0 => "none".to_owned(),
        proofs => {
            format!("p50 {} ms, p99 {} ms, over {proofs}", reply.proof_p50_ms, reply.proof_p99_ms)
        }
    };
    let since = match reply.since {
        0 => "the beginning".to_owned(),
        since => format!("{}, {}", show::time(since), duration::show(reply.now - since)),
    };
    let rows = [
        row("since", since),
        row("detections", reply.detections.to_string()),
        row("blocks", format!("{}, and {} simulated", reply.blocks, reply.simulated)),
        row("proved at", level(reply.level).to_owned()),
        row("contained", share(reply.contained.as_ref())),
        row("time to proof", proof),
        row("false positives", share(reply.false_positives.as_ref())),
        row("lifted on time", share(reply.lifted_on_time.as_ref())),
        row("in force now", reply.active.to_string()),
    ];
    printer.tabulated(&["", ""], &rows)
}

fn row(name: &str, value: String) -> Vec<Cell> {
    vec![cell(name), cell(value)]
}

/// The level at which a block counts as proved.
fn level(level: i32) -> &'static str {
    match level {
        ..=0 => "-",
        1 => "level 1, acknowledged: nothing looks further",
        2 => "level 2, read back: nothing looks further",
        3.. => "level 3, probed",
    }
}

/// `9 of 10: 90.0 % (59.6 to 98.2 %)`.
fn share(share: Option<&Share>) -> String {
    let Some(Share { count, of, share, low, high }) = share.filter(|share| share.of > 0) else {
        return "none to judge".to_owned();
    };
    let percent = |share: &f64| share * 100.0;
    format!(
        "{count} of {of}: {:.1} % ({:.1} to {:.1} %)",
        percent(share),
        percent(low),
        percent(high)
    )
}

fn document(reply: &KpisReply) -> Value {
    let share = |share: Option<&Share>| {
        share.map(|share| {
            let Share { count, of, share, low, high } = share;
            json!({ "count": count, "of": of, "share": share, "low": low, "high": high })
        })
    };
    json!({
        "since": when(reply.since),
        "now": when(reply.now),
        "detections": reply.detections,
        "blocks": reply.blocks,
        "simulated": reply.simulated,
        "contained": share(reply.contained.as_ref()),
        "proof_p50_ms": when(reply.proof_p50_ms),
        "proof_p99_ms": when(reply.proof_p99_ms),
        "proofs": reply.proofs,
        "false_positives": share(reply.false_positives.as_ref()),
        "lifted_on_time": share(reply.lifted_on_time.as_ref()),
        "active": reply.active,
        "level": Some(reply.level).filter(|level| *level > 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_shown_with_their_interval_and_none_is_no_share() {
        let now = 1_795_266_001_000;
        let reply = KpisReply {
            since: now - 86_400_000,
            now,
            detections: 14,
            blocks: 10,
            simulated: 2,
            contained: Some(Share { count: 9, of: 10, share: 0.9, low: 0.5958, high: 0.9821 }),
            proof_p50_ms: 41,
            proof_p99_ms: 63,
            proofs: 9,
            false_positives: Some(Share {
                count: 1,
                of: 10,
                share: 0.1,
                low: 0.0179,
                high: 0.4042,
            }),
            lifted_on_time: Some(Share::default()),
            active: 3,
            level: 3,
        };
        let expected = "\
since            2026-11-20 13:00:01Z, 1d
detections       14
blocks           10, and 2 simulated
proved at        level 3, probed
contained        9 of 10: 90.0 % (59.6 to 98.2 %)
time to proof    p50 41 ms, p99 63 ms, over 9
false positives  1 of 10: 10.0 % (1.8 to 40.4 %)
lifted on time   none to judge
in force now     3
";
        assert_eq!(table(&reply, &Printer::plain()), expected);
        assert_eq!(document(&reply)["contained"]["of"], 10);
        assert_eq!(document(&reply)["level"], 3);
        let unproved = KpisReply { level: 0, ..reply };
        assert_eq!(document(&unproved)["level"], Value::Null);
        assert!(table(&unproved, &Printer::plain()).contains("proved at        -\n"));
    }
}
