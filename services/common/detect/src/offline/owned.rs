//! Which signatures only one source vouches for, and how to learn without them.

use std::collections::{BTreeMap, HashSet};

use super::data::Data;
use super::train::Example;
use crate::features::{GRAM_BASE, SIGNATURE_BASE};

/// A source owns a signature if it has at least this share of its attack hits.
const OWNED: f64 = 0.8;

/// Per source, the columns of the signatures that it owns among the sources not in `left_out`.
pub fn owned(data: &Data, left_out: u64) -> Vec<HashSet<usize>> {
    let mut hits: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut columns: Vec<u32> = Vec::new();
    for bag in data.bags.iter().filter(|bag| bag.attack && left_out >> bag.source & 1 == 0) {
        let entries = bag.instances.iter().flat_map(|instance| data.features(instance));
        columns.extend(entries.map(|(column, _)| *column).filter(|column| {
            (SIGNATURE_BASE..GRAM_BASE).contains(&data.columns[*column as usize])
        }));
        columns.sort_unstable();
        columns.dedup();
        for column in columns.drain(..) {
            let counts = hits.entry(column).or_insert_with(|| vec![0; data.sources.len()]);
            counts[bag.source] += 1;
        }
    }
    let mut owned = vec![HashSet::new(); data.sources.len()];
    for (column, counts) in hits {
        let all: usize = counts.iter().sum();
        for (source, own) in counts.into_iter().enumerate() {
            if own > 0 && own as f64 >= OWNED * all as f64 {
                owned[source].insert(column as usize);
            }
        }
    }
    owned
}

/// For each example that has a column its source owns, its features without those.
pub fn bare(
    examples: &[(usize, Example<'_>)],
    owned: &[HashSet<usize>],
) -> Vec<Option<Vec<(u32, f32)>>> {
    let bare = |(source, example): &(usize, Example<'_>)| {
        let off = |column: u32| owned[*source].contains(&(column as usize));
        let kept = || example.features.iter().copied().filter(|(column, _)| !off(*column));
        example.features.iter().any(|(column, _)| off(*column)).then(|| kept().collect())
    };
    examples.iter().map(bare).collect()
}

/// All examples; of those with something taken away in `bare`, the share `share` of their weight learns without it.
pub fn halved<'a>(
    examples: &[(usize, Example<'a>)],
    bare: &'a [Option<Vec<(u32, f32)>>],
    share: f64,
) -> Vec<Example<'a>> {
    let mut all = Vec::with_capacity(examples.len());
    for ((_, example), bare) in examples.iter().zip(bare) {
        match bare {
            Some(features) if share > 0.0 => {
                all.push(Example { weight: example.weight * (1.0 - share), ..*example });
                all.push(Example { features, weight: example.weight * share, ..*example });
            }
            _ => all.push(*example),
        }
    }
    all
}
