//! What stands in every text that a pattern matches: symbols, and pairs of them that are next to one another.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::symbols::{BITS, set, symbol};

/// Most ways to match a pattern that are told apart.
const WAYS_MAX: usize = 12;
const WORDS: usize = 4;

/// Pairs of symbols by their hash, a bit each: what another pair shares with one may seem to be there, and what seems to be
/// missing is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pairs([u64; WORDS]);

impl Pairs {
    pub(super) const NONE: Self = Self([0; WORDS]);

    /// Those of `text`.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut all = Self::NONE;
        let mut before = text.first().map_or(0, |byte| symbol(*byte));
        for byte in text.iter().skip(1) {
            let this = symbol(*byte);
            all.add(before, this);
            before = this;
        }
        all
    }

    fn add(&mut self, first: usize, second: usize) {
        let bit = ((first << BITS | second) as u32).wrapping_mul(0x9E37_79B1) >> 24;
        self.0[bit as usize / 64] |= 1 << (bit % 64);
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether all of them are among `others`.
    pub(super) fn within(&self, others: &Self) -> bool {
        self.0.iter().zip(others.0).fold(0, |missing, (one, other)| missing | one & !other) == 0
    }

    /// Those of either.
    pub(super) fn and(self, other: Self) -> Self {
        self.join(other, |one, other| one | other)
    }

    fn join(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|at| both(self.0[at], other.0[at])))
    }
}

/// Symbols and pairs that must stand in a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Musts {
    pub(super) symbols: u64,
    pub(super) pairs: Pairs,
}

impl Musts {
    pub(super) fn of(text: &[u8]) -> Self {
        Self { symbols: set(text), pairs: Pairs::of(text) }
    }

    pub(super) fn and(self, other: Self) -> Self {
        self.join(other, |one, other| one | other)
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.join(other, |one, other| one & other)
    }

    fn join(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            symbols: both(self.symbols, other.symbols),
            pairs: self.pairs.join(other.pairs, both),
        }
    }
}

/// What a part of a pattern must have, and the symbols that it begins and ends with if these are always the same.
#[derive(Clone, Copy, Default)]
struct Part {
    musts: Musts,
    first: Option<usize>,
    last: Option<usize>,
}

/// What stands in every match of `hir`.
pub(super) fn musts(hir: &Hir) -> Musts {
    part(hir).musts
}

/// As [`musts`], of each way to match `hir` while these are few: all of one of them stands in every match.
pub(super) fn ways(hir: &Hir) -> Vec<Musts> {
    let always = musts(hir);
    let found = match hir.kind() {
        HirKind::Capture(capture) => return ways(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => return ways(&repetition.sub),
        HirKind::Alternation(parts) => parts.iter().map(ways).try_fold(Vec::new(), |all, part| {
            (all.len() + part.len() <= WAYS_MAX).then(|| [all, part].concat())
        }),
        HirKind::Concat(parts) => parts.iter().map(ways).try_fold(vec![always], |heads, tails| {
            let both = heads.iter().flat_map(|head| tails.iter().map(move |tail| head.and(*tail)));
            (heads.len() * tails.len() <= WAYS_MAX).then(|| both.collect())
        }),
        _ => None,
    };
    found.unwrap_or_else(|| vec![always])
}

fn part(hir: &Hir) -> Part {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Part::default(),
        HirKind::Literal(literal) => Part {
            musts: Musts::of(&literal.0),
            first: literal.0.first().map(|byte| symbol(*byte)),
            last: literal.0.last().map(|byte| symbol(*byte)),
        },
        HirKind::Class(class) => {
            let only = only_symbol(class);
            let symbols = only.map_or(0, |symbol| 1 << symbol);
            Part { musts: Musts { symbols, ..Musts::default() }, first: only, last: only }
        }
        HirKind::Repetition(repetition) if repetition.min > 0 => part(&repetition.sub),
        HirKind::Repetition(_) => Part::default(),
        HirKind::Capture(capture) => part(&capture.sub),
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => {
            let same = |one: Option<usize>, other| one.filter(|_| one == other);
            let or = |one: Part, other: Part| Part {
                musts: one.musts.or(other.musts),
                first: same(one.first, other.first),
                last: same(one.last, other.last),
            };
            parts.iter().map(part).reduce(or).unwrap_or_default()
        }
    }
}

fn concat(parts: &[Hir]) -> Part {
    let wide = |hir: &&Hir| !matches!(hir.kind(), HirKind::Empty | HirKind::Look(_));
    let follow = |before: Part, next: Part| {
        let mut musts = before.musts.and(next.musts);
        if let (Some(first), Some(second)) = (before.last, next.first) {
            musts.pairs.add(first, second);
        }
        Part { musts, first: before.first, last: next.last }
    };
    parts.iter().filter(wide).map(part).reduce(follow).unwrap_or_default()
}

/// The symbol that all bytes of a class have.
fn only_symbol(class: &Class) -> Option<usize> {
    let Class::Bytes(bytes) = class else { return None };
    let mut all = bytes.iter().flat_map(|range| range.start()..=range.end()).map(symbol);
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::string::bytes_regex;

    fn parse(pattern: &str) -> Hir {
        super::super::matching::parse(pattern).expect("a pattern")
    }

    #[test]
    fn each_way_to_match_has_symbols_of_its_own() {
        for (pattern, expected) in [
            ("(?:ab|cd)e", &["abe", "cde"][..]),
            ("(?:ab|c*)e", &["abe", "e"]),
            ("(?:qa|qb|qc|qd)(?:qe|qf|qg|qh)", &["q"]),
        ] {
            let expected: Vec<u64> = expected.iter().map(|way| set(way.as_bytes())).collect();
            let found: Vec<u64> = ways(&parse(pattern)).iter().map(|way| way.symbols).collect();
            assert_eq!(found, expected, "{pattern}");
        }
    }

    #[test]
    fn pairs_are_those_that_nothing_can_part() {
        let pairs = |texts: &[&str]| {
            texts.iter().fold(Pairs::NONE, |all, text| all.and(Pairs::of(text.as_bytes())))
        };
        for (pattern, expected) in [
            ("abc", &["abc"][..]),
            ("a(?:b)c", &["abc"]),
            (r"a\bb$", &["ab"]),
            ("a[bB]c", &["abc"]),
            ("ab*c", &[]),
            ("ab+c", &["ab", "bc"]),
            ("(?:ab)+c", &["abc"]),
            ("a(?:bd|be)c", &["ab"]),
            ("a(?:b|)c", &[]),
            ("(?:xab|yab)c", &["abc"]),
            ("a.b", &[]),
            ("a?bc", &["bc"]),
        ] {
            assert_eq!(musts(&parse(pattern)).pairs, pairs(expected), "{pattern}");
        }
    }

    const PATTERNS: [&str; 10] = [
        "union[ +]{1,3}(?:all )?select",
        "(?:ab|cd)+e[fF]{2}g?",
        "x(?:(?:a|b)c|(?:d|e)c)?y",
        "[a-z]{2}(?:<!--|--)>?",
        "(?:a(?:b(?:c|d)|e)f){1,2}",
        "(?:foo|foobar|)baz",
        "a{2,4}b{0,2}c{1,}",
        "[^a-y]z[0-2]1",
        "(?:/\\.\\.){2,3}/etc",
        "(?i)select(?: |/\\*\\*/)from",
    ];

    proptest! {
        #[test]
        fn whatever_matches_has_what_it_must(
            (pattern, text) in (0..PATTERNS.len()).prop_flat_map(|at| {
                let text = bytes_regex(&format!("(?s-u:.{{0,3}}{}.{{0,3}})", PATTERNS[at]));
                (Just(PATTERNS[at]), text.expect("a pattern"))
            }),
            upper in any::<bool>(),
        ) {
            let text = if upper { text.to_ascii_uppercase() } else { text };
            let (hir, all) = (parse(pattern), Musts::of(&text));
            let within = |one: &Musts| one.symbols & !all.symbols == 0 && one.pairs.within(&all.pairs);
            prop_assert!(within(&musts(&hir)), "{pattern} in {text:?}");
            prop_assert!(ways(&hir).iter().any(within), "{pattern} in {text:?}");
        }
    }
}
