//! Mutates attacks and benign values and counts what changes.

use std::collections::{BTreeMap, HashSet};

use detect::{Detector, Reader, Request};

use crate::chance::Chance;
use crate::meaning::{self, Meaning};
use crate::table::{CLASSES, Class, Mutation, Rewrite, of};
use crate::wire::plain;

/// Stacks of two and three mutations tried on each attack, besides every single one.
const STACKS: usize = 6;

/// What became of one mutation, alone or stacked.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) pairs: usize,
    pub(crate) lost: usize,
    /// Left out: a parser says that the meaning changed or cannot tell.
    pub(crate) unparsed: usize,
    /// Counted without a parser.
    pub(crate) unchecked: usize,
}

impl Count {
    pub(crate) fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.lost += other.lost;
        self.unparsed += other.unparsed;
        self.unchecked += other.unchecked;
    }
}

/// One mutated value.
pub(crate) struct Written {
    pub(crate) names: Vec<&'static str>,
    pub(crate) wire: String,
    pub(crate) meaning: Meaning,
}

/// Everything counted over a set of attacks.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) by_mutation: BTreeMap<(Class, String), Count>,
    /// By class: attacks, those detected unmutated, those of them lost to at least one mutation.
    pub(crate) attacks: BTreeMap<Class, (usize, usize, usize)>,
    /// Some lost pairs, to be read.
    pub(crate) lost: Vec<(Class, String, String)>,
}

impl Tally {
    pub(crate) fn all(&self) -> Count {
        let mut sum = Count::default();
        self.by_mutation.values().for_each(|count| sum.add(*count));
        sum
    }
}

/// Whether a value in a query is at least evidence.
pub(crate) fn detected(detector: &Detector, reader: &mut Reader, wire: &str) -> bool {
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
pub(crate) fn mutated(class: Class, attack: &str, seed: u64) -> Vec<Written> {
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
pub(crate) fn attacks<'a>(
    detector: &Detector,
    attacks: impl Iterator<Item = (Class, &'a str)>,
) -> Tally {
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

/// Mutations that put syntax into the text which only an evasion has, so that the result is suspicious whatever it was
/// made from. They are in every figure but `ordinary`.
const DRESS: [&str; 6] = [
    "base64 into a shell",
    "field separators for blanks",
    "back-slashes in the scheme",
    "comments for blanks",
    "keywords in version comments",
    "one keyword in a version comment",
];

/// Values and those of them that reach evidence.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Alarms {
    pub(crate) tried: usize,
    pub(crate) hit: usize,
}

impl Alarms {
    fn add(&mut self, hit: bool) {
        self.tried += 1;
        self.hit += usize::from(hit);
    }

    pub(crate) fn rate(self) -> f64 {
        self.hit as f64 / self.tried.max(1) as f64
    }
}

/// Benign values as they are and mutated. A mutation that two classes share is counted once.
#[derive(Debug, Default)]
pub(crate) struct Benign {
    pub(crate) plain: Alarms,
    /// Pairs that are counted by the rule for attacks: no parser says that the meaning changed.
    pub(crate) mutated: Alarms,
    /// Those of them without [`DRESS`].
    pub(crate) ordinary: Alarms,
    /// Every pair, also those that a parser of the class cannot read.
    pub(crate) every: Alarms,
    /// Single mutations: the counted pairs and every pair.
    pub(crate) by_name: BTreeMap<(Class, &'static str), (Alarms, Alarms)>,
}

pub(crate) fn benign(detector: &Detector, values: &[String]) -> Benign {
    let (mut found, mut reader) = (Benign::default(), Reader::default());
    for (at, value) in values.iter().enumerate() {
        found.plain.add(detected(detector, &mut reader, &plain(value)));
        let mut seen = HashSet::new();
        for class in CLASSES {
            for written in mutated(class, value, at as u64) {
                if !seen.insert(written.wire.clone()) {
                    continue;
                }
                let hit = detected(detector, &mut reader, &written.wire);
                let kept = written.meaning != Meaning::Lost;
                found.every.add(hit);
                if kept {
                    if !written.names.iter().any(|name| DRESS.contains(name)) {
                        found.ordinary.add(hit);
                    }
                    found.mutated.add(hit);
                }
                if let [one] = written.names[..] {
                    let (counted, every) = found.by_name.entry((class, one)).or_default();
                    every.add(hit);
                    if kept {
                        counted.add(hit);
                    }
                }
            }
        }
    }
    found
}
