//! Mutates attacks and benign values and counts what changes.

use std::collections::BTreeMap;

use detect::{Detector, Reader, Request};

use crate::chance::Chance;
use crate::meaning::{self, Meaning};
use crate::table::{Class, Mutation, Rewrite, of};
use crate::wire::plain;

/// Stacks of two and three mutations tried on each attack, besides every single one.
const STACKS: usize = 6;

/// What became of one mutation, alone or stacked.
#[derive(Debug, Default, Clone, Copy)]
pub struct Count {
    pub pairs: usize,
    pub lost: usize,
    /// Left out: a parser says that the meaning changed or cannot tell.
    pub unparsed: usize,
    /// Counted without a parser.
    pub unchecked: usize,
}

impl Count {
    pub fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.lost += other.lost;
        self.unparsed += other.unparsed;
        self.unchecked += other.unchecked;
    }
}

/// One mutated value.
pub struct Written {
    pub names: Vec<&'static str>,
    pub wire: String,
    pub meaning: Meaning,
}

/// Everything counted over a set of attacks.
#[derive(Default)]
pub struct Tally {
    pub by_mutation: BTreeMap<(Class, String), Count>,
    /// By class: attacks, those detected unmutated, those of them lost to at least one mutation.
    pub attacks: BTreeMap<Class, (usize, usize, usize)>,
    /// Some lost pairs, to be read.
    pub lost: Vec<(Class, String, String)>,
}

impl Tally {
    pub fn all(&self) -> Count {
        let mut sum = Count::default();
        self.by_mutation.values().for_each(|count| sum.add(*count));
        sum
    }
}

/// Whether a value in a query is at least evidence.
pub fn detected(detector: &Detector, reader: &mut Reader, wire: &str) -> bool {
    let uri = format!("/list?q={wire}");
    let request = Request { method: b"GET", uri: uri.as_bytes(), ..Request::default() };
    detector.score(reader, &request).llr >= detector.model.evidence
}

/// Applies `stack` in order: texts first, then at most one way to write.
fn write(class: Class, attack: &str, stack: &[Mutation], chance: &mut Chance) -> Option<Written> {
    let (mut text, mut wire) = (attack.to_owned(), None);
    let mut names = Vec::new();
    for mutation in stack {
        match mutation.rewrite {
            Rewrite::Text(rewrite) if wire.is_none() => text = rewrite(&text, chance)?,
            Rewrite::Wire(rewrite) if wire.is_none() => wire = Some(rewrite(&text, chance)?),
            _ => return None,
        }
        names.push(mutation.name);
    }
    let mut meaning =
        if text == attack { Meaning::Kept } else { meaning::of_text(class, attack, &text) };
    let wire = match wire {
        Some(wire) => {
            match meaning::of_wire(&text, &wire) {
                Meaning::Lost => meaning = Meaning::Lost,
                Meaning::Unchecked if meaning == Meaning::Kept => meaning = Meaning::Unchecked,
                _ => {}
            }
            wire
        }
        None => plain(&text),
    };
    (wire != plain(attack)).then_some(Written { names, wire, meaning })
}

/// Every mutation alone, and some stacks of two and three.
pub fn mutated(class: Class, attack: &str, seed: u64) -> Vec<Written> {
    let table = of(class);
    let mut chance = Chance::new(seed);
    let mut all: Vec<Written> = table
        .iter()
        .filter_map(|mutation| write(class, attack, &[*mutation], &mut chance))
        .collect();
    for stack in 0..STACKS {
        for _ in 0..20 {
            let mut chosen: Vec<Mutation> =
                (0..2 + stack % 2).map(|_| table[chance.below(table.len())]).collect();
            chosen.sort_by_key(|mutation| matches!(mutation.rewrite, Rewrite::Wire(_)));
            chosen.dedup_by_key(|mutation| mutation.name);
            if chosen.len() > 1
                && let Some(written) = write(class, attack, &chosen, &mut chance)
            {
                all.push(written);
                break;
            }
        }
    }
    all
}

/// Mutates each attack that is detected as it is.
pub fn attacks<'a>(detector: &Detector, attacks: impl Iterator<Item = (Class, &'a str)>) -> Tally {
    let (mut tally, mut reader) = (Tally::default(), Reader::default());
    for (at, (class, attack)) in attacks.enumerate() {
        let seen = tally.attacks.entry(class).or_default();
        seen.0 += 1;
        if !detected(detector, &mut reader, &plain(attack)) {
            continue;
        }
        seen.1 += 1;
        let mut any = false;
        for written in mutated(class, attack, at as u64) {
            let name = match &written.names[..] {
                [one] => (*one).to_owned(),
                more => format!("{} stacked", more.len()),
            };
            let count = tally.by_mutation.entry((class, name)).or_default();
            if written.meaning == Meaning::Lost {
                count.unparsed += 1;
                continue;
            }
            count.pairs += 1;
            count.unchecked += usize::from(written.meaning == Meaning::Unchecked);
            if !detected(detector, &mut reader, &written.wire) {
                any = true;
                count.lost += 1;
                tally.lost.push((class, written.names.join(" + "), written.wire));
            }
        }
        tally.attacks.entry(class).or_default().2 += usize::from(any);
    }
    tally
}

/// Benign values that reach evidence: as they are, and over all mutations of a class.
#[derive(Debug, Default, Clone, Copy)]
pub struct Benign {
    pub values: usize,
    pub alarms: usize,
    pub pairs: usize,
    pub pair_alarms: usize,
}

pub fn benign<'a>(
    detector: &Detector,
    class: Class,
    values: impl Iterator<Item = &'a str>,
) -> (Benign, BTreeMap<&'static str, (usize, usize)>) {
    let (mut found, mut reader) = (Benign::default(), Reader::default());
    let mut by_name: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
    for (at, value) in values.enumerate() {
        found.values += 1;
        found.alarms += usize::from(detected(detector, &mut reader, &plain(value)));
        for written in mutated(class, value, at as u64) {
            let hit = detected(detector, &mut reader, &written.wire);
            found.pairs += 1;
            found.pair_alarms += usize::from(hit);
            if let [one] = written.names[..] {
                let count = by_name.entry(one).or_default();
                count.0 += 1;
                count.1 += usize::from(hit);
            }
        }
    }
    (found, by_name)
}
