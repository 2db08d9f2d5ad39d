//! Rows as sparse features, extracted once and used by every fold.

use std::collections::HashMap;
use std::ops::Range;

use super::rows::{Row, shown};
use crate::features::{Feature, GRAM_BASE};
use crate::request::{Request, Value};

/// What looks at one request: calls the sink with the value, the number of the reading, the feature and its size.
pub type Sink<'a> = &'a mut dyn FnMut(&Value<'_>, usize, Feature, f32);

/// One reading that was not quiet, as it was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// An access log would show it.
    pub shown: bool,
    /// The payload may stand here; always so in a benign row.
    pub named: bool,
    pub features: Vec<(u32, f32)>,
}

/// One reading that was not quiet, as it is kept.
#[derive(Debug, Clone)]
pub struct Instance {
    pub span: Range<usize>,
    /// An access log would show it.
    pub shown: bool,
    /// The payload may stand here; always so in a benign row.
    pub named: bool,
    /// Equal for readings with equal features.
    pub print: u64,
}

/// What training and measuring need of one row.
#[derive(Debug, Clone)]
pub struct Bag {
    pub id: String,
    pub source: usize,
    pub attack: bool,
    pub category: String,
    pub tier: String,
    pub log_visible: bool,
    pub instances: Vec<Instance>,
    /// Of a benign row: what its value looks like at another place. Taught, never measured.
    pub elsewhere: Vec<Instance>,
    /// Of a benign row: what its value looks like escaped otherwise. Taught, never measured.
    pub escaped: Vec<Instance>,
}

/// All rows. Features are renumbered to columns without gaps; column 0 is the bias and never stored.
#[derive(Debug, Default)]
pub struct Data {
    pub bags: Vec<Bag>,
    pub sources: Vec<String>,
    /// The feature of each column.
    pub columns: Vec<u32>,
    /// Per column, the sources it was seen in, a bit each.
    pub seen_in: Vec<u64>,
    pub entries: Vec<(u32, f32)>,
    numbers: HashMap<u32, u32>,
}

impl Data {
    pub fn new() -> Self {
        let mut data = Self::default();
        data.column(0);
        data
    }

    fn column(&mut self, feature: u32) -> u32 {
        let next = self.columns.len() as u32;
        let column = *self.numbers.entry(feature).or_insert(next);
        if column == next {
            self.columns.push(feature);
            self.seen_in.push(0);
        }
        column
    }

    /// The number of a source, given when it is first named.
    pub fn source(&mut self, name: &str) -> usize {
        self.sources.iter().position(|known| known == name).unwrap_or_else(|| {
            self.sources.push(name.to_owned());
            self.sources.len() - 1
        })
    }

    /// Adds one row as `extract` sees it.
    pub fn add(&mut self, row: &Row, extract: &mut impl FnMut(&Request<'_>, Sink<'_>)) {
        let found = read(row, extract);
        self.push(row, found);
    }

    /// Adds what `other`, the row added last written differently, looks like to the list of its bag that `list` picks.
    pub fn add_other(
        &mut self,
        other: &Row,
        list: impl FnOnce(&mut Bag) -> &mut Vec<Instance>,
        extract: &mut impl FnMut(&Request<'_>, Sink<'_>),
    ) {
        let source = self.source(&other.source);
        let instances = self.keep(source, read(other, extract));
        if let Some(bag) = self.bags.last_mut() {
            list(bag).extend(instances);
        }
    }

    /// Adds one row whose readings are known.
    pub fn push(&mut self, row: &Row, readings: Vec<Found>) {
        let source = self.source(&row.source);
        let instances = self.keep(source, readings);
        self.bags.push(Bag {
            id: row.id.clone(),
            source,
            attack: row.attack(),
            category: row.category.clone(),
            tier: row.tier.clone(),
            log_visible: row.log_visible(),
            instances,
            elsewhere: Vec::new(),
            escaped: Vec::new(),
        });
    }

    fn keep(&mut self, source: usize, readings: Vec<Found>) -> Vec<Instance> {
        let mut instances: Vec<Instance> = Vec::new();
        for Found { shown, named, mut features } in readings {
            features.sort_unstable_by_key(|(feature, _)| *feature);
            let start = self.entries.len();
            for (feature, size) in features {
                let column = self.column(feature);
                self.seen_in[column as usize] |= 1 << source;
                self.entries.push((column, size));
            }
            let span = start..self.entries.len();
            let print = print(&self.entries[span.clone()]);
            instances.push(Instance { span, shown, named, print });
        }
        instances
    }

    /// The column of a feature, if any row has it.
    pub fn find(&self, feature: u32) -> Option<usize> {
        self.numbers.get(&feature).map(|column| *column as usize)
    }

    pub fn gram(&self, column: usize) -> bool {
        self.columns[column] >= GRAM_BASE
    }

    pub fn features(&self, instance: &Instance) -> &[(u32, f32)] {
        &self.entries[instance.span.clone()]
    }
}

/// Every reading of `row` that is not quiet.
fn read(row: &Row, extract: &mut impl FnMut(&Request<'_>, Sink<'_>)) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut last = None;
    row.request(|request| {
        extract(request, &mut |value, reading, feature, size| {
            let key = (value.raw.as_ptr(), value.raw.len(), value.place, value.part, reading);
            if last != Some(key) {
                last = Some(key);
                found.push(Found {
                    shown: shown(value.place),
                    named: !row.attack() || row.names(value),
                    features: Vec::new(),
                });
            }
            if feature.0 != 0
                && let Some(open) = found.last_mut()
            {
                open.features.push((feature.0, size));
            }
        });
    });
    found
}

/// FNV-1a over the entries.
fn print(entries: &[(u32, f32)]) -> u64 {
    let mix = |hash: u64, word: u32| (hash ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01b3);
    entries
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, (column, size)| mix(mix(hash, *column), size.to_bits()))
}
