//! Values of the labelled rows in the shared data; without them the tests over them say so and end.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use detect::offline::controls::payload;
use detect::offline::rows::{Row, parse};

use crate::table::{Class, class_of};

/// How many attacks of each class and how many benign values are mutated, evenly over the file.
fn most() -> (usize, usize) {
    let deep = std::env::var("PERIMETER_DEEP").is_ok_and(|deep| deep == "1");
    if deep { (usize::MAX, usize::MAX) } else { (40, 400) }
}

pub(crate) fn read() -> Option<Vec<Row>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let data = std::env::var_os("PERIMETER_DATA").map_or(beside, PathBuf::from);
    let file = data.join("http/http_requests.jsonl.gz");
    if !file.is_file() {
        println!("skipped: {} is missing", file.display());
        return None;
    }
    let mut text = String::new();
    let packed = std::fs::File::open(file).unwrap();
    flate2::read::MultiGzDecoder::new(packed).read_to_string(&mut text).unwrap();
    Some(parse(&text).unwrap())
}

fn spread<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    let step = all.len().div_ceil(most).max(1);
    all.iter().step_by(step).cloned().collect()
}

fn text(row: &Row) -> Option<String> {
    let text = String::from_utf8(payload(row)?).ok()?;
    (1..=400).contains(&text.len()).then_some(text)
}

pub(crate) fn attacks(rows: &[Row]) -> Vec<(Class, String)> {
    let mut by_class: BTreeMap<Class, Vec<String>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.attack() && row.tier == "core") {
        if let Some((class, text)) = class_of(&row.category).zip(text(row)) {
            by_class.entry(class).or_default().push(text);
        }
    }
    let chosen = by_class.into_iter().map(|(class, all)| (class, spread(&all, most().0)));
    chosen.flat_map(|(class, all)| all.into_iter().map(move |text| (class, text))).collect()
}

/// Values of queries and forms in `plain` and `hard` rows.
pub(crate) fn benign(rows: &[Row]) -> Vec<String> {
    let kept =
        rows.iter().filter(|row| !row.attack() && ["plain", "hard"].contains(&row.tier.as_str()));
    let all: Vec<String> = kept
        .filter_map(|row| {
            let pairs = if row.body.is_empty() { row.uri.split_once('?')?.1 } else { &row.body };
            let value = pairs.split('&').filter_map(|pair| pair.split_once('=')).map(|pair| pair.1);
            let longest = value.max_by_key(|value| value.len())?.replace('+', " ");
            percent_encoding::percent_decode_str(&longest).decode_utf8().ok().map(Into::into)
        })
        .filter(|text: &String| (1..=400).contains(&text.len()))
        .collect();
    spread(&all, most().1)
}
