//! `perimeter dlq`: what was refused, why, and back again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use pipeline::{Bus, Clock, DeadLetter, Env, From, Registry};
use schemas::{Millis, Topic};
use serde_json::{Map, Value, json};

use super::show::time;
use crate::args::{DlqList, DlqReplay, DlqShow};
use crate::bootstrap::kafka::bus;
use crate::dlq::{Counts, Outcome, Place, Replay, Row, Selection, judge, replayable, text};
use crate::failure::{Failure, Outcome as Answer};
use crate::output::{Cell, Printer, Progress, Tone, cell};

pub(crate) async fn list(arguments: DlqList, printer: &Printer) -> Answer {
    let bus = bus(arguments.brokers.brokers.as_deref())?;
    let read = tokio::task::spawn_blocking(move || newest(&bus, &arguments));
    let (rows, counts) = read.await.map_err(|error| Failure::Error(error.to_string()))??;
    if printer.json() {
        for row in &rows {
            printer.json_line(&document(row))?;
        }
        let classes = counts.iter().map(|(topic, class, count)| {
            json!({ "topic": topic.dead_letters(), "class": class, "count": count })
        });
        let (classes, total) = (classes.collect::<Vec<_>>(), counts.total());
        return Ok(printer.json_line(&json!({ "summary": classes, "total": total }))?);
    }
    if rows.is_empty() {
        return Ok(printer.line("no dead letters")?);
    }
    let head = ["LETTER", "AT", "STOOD AT", "CLASS", "REASON", "BYTES", "BEGINS"];
    let cells: Vec<Vec<Cell>> = rows.iter().map(cells).collect();
    printer.table(&head, &cells)?;
    printer.line("")?;
    let summary: Vec<Vec<Cell>> = counts
        .iter()
        .map(|(topic, class, count)| {
            vec![cell(topic.dead_letters()), cell(class), cell(count.to_string())]
        })
        .collect();
    printer.table(&["TOPIC", "CLASS", "COUNT"], &summary)?;
    let left_out = counts.total() - rows.len() as u64;
    if left_out > 0 {
        printer.note(&format!("{left_out} older dead letter(s) not shown; --limit shows more"))?;
    }
    Ok(())
}

/// The newest of what is asked for, oldest first, and how many there are by class. Holds no more than it answers.
fn newest(bus: &Bus, arguments: &DlqList) -> Result<(Vec<Row>, Counts), Failure> {
    let since = arguments.since.map(|ago| Clock::system().now() - ago);
    let selection = Selection { class: arguments.class.clone(), since, ..Selection::default() };
    let mut newest: BTreeMap<(Millis, Topic, i64), Row> = BTreeMap::new();
    let (mut counts, mut progress) = (Counts::default(), Progress::new("dead letters"));
    let asked =
        Topic::ALL.into_iter().filter(|topic| arguments.topic.is_none_or(|one| one == *topic));
    for topic in asked {
        selection.read(bus, topic, &mut |letter| {
            progress.advance()?;
            let row = Row::of(&letter);
            counts.add(topic, &row.class);
            newest.insert((row.at, topic, row.offset), row);
            if newest.len() > usize::from(arguments.limit) {
                newest.pop_first();
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    progress.end()?;
    Ok((newest.into_values().collect(), counts))
}

fn cells(row: &Row) -> Vec<Cell> {
    let class = if row.replayed.is_some() { Tone::Bad } else { Tone::Warning };
    vec![
        cell(format!("{} {}", row.topic.dead_letters(), row.offset)),
        cell(time(row.at)),
        cell(row.place.to_string()),
        Cell(row.class.clone(), class),
        cell(match &row.replayed {
            Some(replay) => format!("{} (again: replayed {replay})", row.reason),
            None => row.reason.clone(),
        }),
        cell(row.bytes.to_string()),
        Cell(row.head.clone(), Tone::Faint),
    ]
}

fn document(row: &Row) -> Value {
    json!({
        "topic": row.topic.dead_letters(),
        "offset": row.offset,
        "at": row.at,
        "stood_at": place(&row.place),
        "class": row.class,
        "reason": row.reason,
        "replayed": row.replayed,
        "bytes": row.bytes,
        "begins": row.head,
    })
}

fn place(place: &Place) -> Value {
    match place {
        Place::Record { topic, partition, offset } => {
            json!({ "topic": topic.name(), "partition": partition, "offset": offset })
        }
        Place::Source { source, position } => json!({ "source": source, "position": position }),
        Place::Unsaid { topic } => json!({ "topic": topic.name() }),
    }
}

pub(crate) async fn show(arguments: DlqShow, printer: &Printer) -> Answer {
    let bus = bus(arguments.brokers.brokers.as_deref())?;
    accept_framing().await?;
    let (topic, offset, now) = (arguments.topic, arguments.offset, Clock::system().now());
    let as_json = printer.json();
    let read = tokio::task::spawn_blocking(move || {
        let mut shown = None;
        bus.dead_letters().read(topic, From::Offset(offset), &mut |letter| {
            if letter.offset == offset {
                shown = Some(if as_json {
                    Shown::Json(whole(&letter, now))
                } else {
                    page(&letter, now)
                });
            }
            Ok(ControlFlow::Break(()))
        })?;
        anyhow::Ok(shown)
    });
    match read.await.map_err(|error| Failure::Error(error.to_string()))?? {
        Some(Shown::Json(document)) => Ok(printer.document(&document)?),
        Some(Shown::Page { rows, lines }) => {
            printer.table(&["", ""], &rows)?;
            printer.line("")?;
            Ok(lines.iter().try_for_each(|line| printer.line(line))?)
        }
        None => Err(Failure::Error(format!(
            "{} holds nothing at {offset}: it was never written, or its time is over; `perimeter dlq list` shows what \
             is there",
            topic.dead_letters()
        ))),
    }
}

/// One dead letter, ready to be printed: every text is escaped.
enum Shown {
    Json(Value),
    Page { rows: Vec<Vec<Cell>>, lines: Vec<String> },
}

fn page(letter: &DeadLetter<'_>, now: Millis) -> Shown {
    let row = Row::of(letter);
    let all = |bytes: &[u8]| text::escaped(bytes, usize::MAX);
    let again = match judge(letter, now) {
        Ok(()) => Cell("possible".to_owned(), Tone::Good),
        Err(why) => Cell(format!("no: {why}"), Tone::Warning),
    };
    let mut rows = vec![
        vec![cell("letter"), cell(format!("{} {}", row.topic.dead_letters(), row.offset))],
        vec![cell("at"), cell(time(row.at))],
        vec![cell("stood at"), cell(row.place.to_string())],
        vec![cell("class"), Cell(row.class, Tone::Warning)],
        vec![cell("reason"), cell(row.reason)],
        vec![cell("replay"), again],
        vec![cell("key"), cell(all(letter.key))],
        vec![cell("bytes"), cell(row.bytes.to_string())],
    ];
    rows.extend(letter.headers.iter().map(|(name, value)| {
        vec![Cell(format!("header {}", all(name.as_bytes())), Tone::Faint), cell(all(value))]
    }));
    let lines = text::lines(letter.payload).unwrap_or_else(|| text::dump(letter.payload));
    Shown::Page { rows, lines }
}

fn whole(letter: &DeadLetter<'_>, now: Millis) -> Value {
    let all = |bytes: &[u8]| text::escaped(bytes, usize::MAX);
    let mut document = document(&Row::of(letter));
    let headers: Map<String, Value> = letter
        .headers
        .iter()
        .map(|(name, value)| (all(name.as_bytes()), Value::from(all(value))))
        .collect();
    document["key"] = Value::from(all(letter.key));
    document["headers"] = Value::from(headers);
    document["refused"] = judge(letter, now).err().map_or(Value::Null, Value::from);
    match std::str::from_utf8(letter.payload) {
        Ok(text) => document["text"] = Value::from(text),
        Err(_) => document["hexadecimal"] = Value::from(text::hexadecimal(letter.payload)),
    }
    document
}

pub(crate) async fn replay(arguments: DlqReplay, printer: &Printer) -> Answer {
    // Told at once, rather than record by record.
    replayable(arguments.topic).map_err(Failure::Refused)?;
    let bus = bus(arguments.brokers.brokers.as_deref())?;
    accept_framing().await?;
    let now = Clock::system().now();
    let mut offsets = arguments.offsets;
    offsets.sort_unstable();
    offsets.dedup();
    let since = arguments.since.map(|ago| now - ago);
    let asked = Replay {
        topic: arguments.topic,
        selection: Selection { offsets, class: arguments.class, since },
        by: operator(),
        reason: arguments.reason,
        dry_run: arguments.dry_run,
        now,
    };
    let verb = if asked.dry_run { "would publish" } else { "published" };
    let mut progress = Progress::new("dead letters");
    let replayed = crate::dlq::replay(&bus, &asked, &mut |row, outcome| {
        progress.advance()?;
        Ok(print(row, outcome, verb, printer)?)
    })
    .await?;
    progress.end()?;
    if printer.json() {
        printer.json_line(&json!({
            "published": replayed.published,
            "refused": replayed.refused,
            "absent": replayed.absent,
            "dry_run": asked.dry_run,
        }))?;
    } else {
        let (published, refused) = (replayed.published, replayed.refused);
        printer.line(&format!(
            "{verb} {published} record(s) to {}, refused {refused}",
            asked.topic.name()
        ))?;
    }
    let absent: Vec<String> = replayed.absent.iter().map(ToString::to_string).collect();
    match (replayed.refused, absent.is_empty()) {
        (0, true) => Ok(()),
        (_, false) => Err(Failure::Error(format!(
            "{} holds nothing at {}; `perimeter dlq list` shows what is there",
            asked.topic.dead_letters(),
            absent.join(", ")
        ))),
        (refused, true) => Err(Failure::Findings(format!(
            "{refused} dead letter(s) cannot be published again, see above; they stay where they are"
        ))),
    }
}

fn print(row: &Row, outcome: &Outcome, verb: &str, printer: &Printer) -> std::io::Result<()> {
    if printer.json() {
        let mut document = document(row);
        document["outcome"] = match outcome {
            Outcome::Published => Value::from(verb),
            Outcome::Refused(_) => Value::from("refused"),
        };
        if let Outcome::Refused(why) = outcome {
            document["why"] = Value::from(why.as_str());
        }
        return printer.json_line(&document);
    }
    let (told, tone, why) = match outcome {
        Outcome::Published => (verb, Tone::Good, ""),
        Outcome::Refused(why) => ("refused", Tone::Bad, why.as_str()),
    };
    let letter = format!("{} {}", row.topic.dead_letters(), row.offset);
    printer.row(&[
        Cell(told.to_owned(), tone),
        cell(letter),
        cell(row.place.to_string()),
        cell(why),
    ])
}

/// Reads records in Confluent's framing as the services do, where a registry is set.
async fn accept_framing() -> Result<(), Failure> {
    let env = Env::new("perimeter", std::env::vars());
    let registry =
        Registry::from_env(&env).map_err(|error| Failure::Configuration(error.to_string()))?;
    if let Some(registry) = registry {
        let ids = registry.ids().await.map_err(|error| Failure::Error(error.to_string()))?;
        schemas::registry::accept(ids);
    }
    Ok(())
}

/// Who types, as the system says; nothing proves it.
fn operator() -> String {
    let named = ["USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok());
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "somebody".to_owned())
}
