//! What is passed over in searching a reading would not have hit.

use crate::properties::bytes;
use crate::scoring::DETECTOR;
use detect::normalise::{Normaliser, Reading};
use detect::signatures::{Flags, Hits};
use detect::{Part, Place, Value};
use proptest::prelude::*;
use regex::bytes::{Regex, RegexBuilder};
use std::sync::LazyLock;

static PATTERNS: LazyLock<Vec<Option<Regex>>> = LazyLock::new(|| {
    let compile = |text: &String| {
        RegexBuilder::new(text).unicode(false).build().expect("the built-in packs compile")
    };
    DETECTOR.signatures.iter().map(|one| one.pattern.as_ref().map(compile)).collect()
});

/// The signatures that hit, each tried by itself.
fn reference(value: &Value<'_>, reading: &Reading<'_>, flags: &Flags) -> Vec<usize> {
    let header = reading.quiet
        && !value.name.is_empty()
        && matches!(value.place, Place::Header | Place::Cookie);
    let all = DETECTOR.signatures.iter().zip(&*PATTERNS).enumerate();
    let hit = all.filter(|(_, (one, pattern))| {
        let text = one.view.of(reading);
        let needed = one
            .needs
            .iter()
            .any(|need| text.windows(need.len()).any(|window| window == need.as_bytes()));
        let open = one.needs.is_empty()
            && (!reading.quiet || flags.structured() || header && one.places.only_headers());
        one.request.is_none()
            && (needed || open)
            && one.places.contain(value)
            && flags.contain(&one.flags)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
    });
    hit.map(|(at, _)| at).collect()
}

/// Pieces of the examples of the signatures, so that many hit.
fn examples() -> impl Strategy<Value = Vec<u8>> {
    let all: Vec<&str> = DETECTOR
        .signatures
        .iter()
        .flat_map(|one| one.hits.iter().chain(&one.misses))
        .map(String::as_str)
        .collect();
    let cut = |(text, from): (&str, usize)| {
        let text = text.as_bytes();
        text[from % text.len().max(1)..].to_vec()
    };
    let piece = prop_oneof![
        3 => prop::sample::select(all.clone()).prop_map(|text| text.as_bytes().to_vec()),
        1 => (prop::sample::select(all), 0..64_usize).prop_map(cut),
        1 => bytes(),
    ];
    prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn signatures_hit_exactly_where_each_would_alone(raw in examples(), place in prop::sample::select(Place::ALL.to_vec()), named: bool) {
        let name: &[u8] = if named { b"accept" } else { b"" };
        let part = if named { Part::Value } else { Part::Name };
        let value = Value { place, part, name, raw: &raw };
        let (mut hits, mut failures) = (Hits::default(), Vec::new());
        Normaliser::default().read(&value, |reading| {
            let flags = Flags::read(&value, reading, &mut 0);
            DETECTOR.signatures.run(&value, reading, &flags, &mut hits);
            let found: Vec<usize> = hits.positions().iter().map(|at| usize::from(*at)).collect();
            let alone = reference(&value, reading, &flags);
            if found != alone {
                failures.push((String::from_utf8_lossy(reading.text).into_owned(), found, alone));
            }
        });
        prop_assert!(failures.is_empty(), "{failures:?}");
    }
}
