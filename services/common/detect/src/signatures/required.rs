//! What every match of a pattern must hold: found once, from its syntax, so that the pattern need not be tried where
//! it is not there. As in Cox, "Regular Expression Matching with a Trigram Index" (2012), and the prefilter of RE2.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::pieces::{END, Piece, START, bytes, piece};

/// Most strings of a set that is followed, and most bytes of one of them.
const SET_MAX: usize = 48;
const STRING_MAX: usize = 24;
/// How often what is repeated is written out.
const REPEATED_MAX: u32 = 8;
/// Most literals of which one must stand.
pub(super) const LITERALS_MAX: usize = 192;

/// Strings, one of which must stand in every match.
type Strings = Vec<Piece>;

/// How many bytes come before a place, at least and (`None` where there is no bound) at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lead {
    pub(super) least: usize,
    pub(super) most: Option<usize>,
}

impl Lead {
    const NONE: Self = Self { least: 0, most: Some(0) };

    /// How long what `hir` matches is.
    fn over(hir: &Hir) -> Self {
        let properties = hir.properties();
        Self { least: properties.minimum_len().unwrap_or(0), most: properties.maximum_len() }
    }

    pub(super) fn then(self, next: Self) -> Self {
        let most = self.most.zip(next.most).map(|(one, other)| one + other);
        Self { least: self.least + next.least, most }
    }

    fn or(self, other: Self) -> Self {
        let most = self.most.zip(other.most).map(|(one, other)| one.max(other));
        Self { least: self.least.min(other.least), most }
    }
}

/// Strings, one of which stands in every match, and how far behind the beginning of the match.
#[derive(Debug)]
pub(super) struct Needed {
    pub(super) strings: Vec<Piece>,
    pub(super) lead: Lead,
}

/// What speaks against looking for a set of strings.
pub(super) type Cost<'a> = &'a dyn Fn(&[Piece]) -> f32;

/// What a part of a pattern matches.
struct Info {
    /// All it matches, if that is little.
    exact: Option<Strings>,
    /// One of these stands in whatever it matches.
    any: Option<Needed>,
}

/// Whether a text of nothing but `bytes` may match `hir`.
pub(super) fn possible(hir: &Hir, bytes: &[bool; 256]) -> bool {
    let may = |byte: u8| bytes[usize::from(byte)];
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => literal.0.iter().all(|byte| may(*byte)),
        HirKind::Class(Class::Bytes(class)) => {
            class.iter().any(|range| (range.start()..=range.end()).any(may))
        }
        HirKind::Class(Class::Unicode(_)) => true,
        HirKind::Repetition(repetition) => repetition.min == 0 || possible(&repetition.sub, bytes),
        HirKind::Capture(capture) => possible(&capture.sub, bytes),
        HirKind::Concat(parts) => parts.iter().all(|part| possible(part, bytes)),
        HirKind::Alternation(parts) => parts.iter().any(|part| possible(part, bytes)),
    }
}

/// The set of strings of the least `cost`, one of which stands in every match of `hir`.
pub(super) fn literals(hir: &Hir, cost: Cost<'_>) -> Option<Needed> {
    best(info(hir, cost), cost)
}

fn best(info: Info, cost: Cost<'_>) -> Option<Needed> {
    rarer(info.exact.and_then(|strings| needed(strings, Lead::NONE)), info.any, cost)
}

/// Strings that are worth being looked for: none of them is met everywhere.
fn needed(strings: Strings, lead: Lead) -> Option<Needed> {
    let told = strings.iter().all(|string| !bytes(string).is_empty());
    told.then_some(Needed { strings, lead })
}

fn rarer(one: Option<Needed>, other: Option<Needed>, cost: Cost<'_>) -> Option<Needed> {
    match (one, other) {
        (Some(one), Some(other)) => {
            Some(if cost(&other.strings) < cost(&one.strings) { other } else { one })
        }
        (one, other) => one.or(other),
    }
}

fn info(hir: &Hir, cost: Cost<'_>) -> Info {
    let exact = |strings| Info { exact: Some(strings), any: None };
    match hir.kind() {
        HirKind::Look(Look::Start) => exact(vec![vec![START]]),
        HirKind::Look(Look::End) => exact(vec![vec![END]]),
        HirKind::Empty | HirKind::Look(_) => exact(vec![Vec::new()]),
        HirKind::Literal(literal) => exact(vec![piece(&literal.0)]),
        HirKind::Class(class) => Info { exact: few(class), any: None },
        HirKind::Capture(capture) => info(&capture.sub, cost),
        HirKind::Repetition(repetition) if repetition.min > 0 => {
            concat(std::slice::from_ref(hir), cost)
        }
        HirKind::Repetition(repetition) => {
            let sub = info(&repetition.sub, cost).exact;
            let optional = sub.filter(|set| repetition.max == Some(1) && set.len() < SET_MAX);
            let with_none = |mut strings: Strings| {
                strings.push(Vec::new());
                strings
            };
            Info { exact: optional.map(with_none), any: None }
        }
        HirKind::Concat(parts) => concat(parts, cost),
        HirKind::Alternation(parts) => alternation(parts, cost),
    }
}

/// The bytes of a class, if they are few.
fn few(class: &Class) -> Option<Strings> {
    let Class::Bytes(bytes) = class else { return None };
    let all: usize = bytes.iter().map(|range| usize::from(range.end() - range.start()) + 1).sum();
    let each = || bytes.iter().flat_map(|range| range.start()..=range.end());
    (all > 0 && all <= 12).then(|| each().map(|byte| vec![u16::from(byte)]).collect())
}

/// The run of exact strings that a sequence of parts is read by, and the best that came before it.
struct Run<'a> {
    cost: Cost<'a>,
    strings: Strings,
    /// Where they begin, and how far the parts were read.
    begin: Lead,
    here: Lead,
    /// All parts so far are in `strings`.
    whole: bool,
    any: Option<Needed>,
}

impl Run<'_> {
    /// Goes on with what matches `next`, which is so long.
    fn push(&mut self, next: Info, length: Lead) {
        match next.exact.as_ref().and_then(|strings| cross(&self.strings, strings)) {
            Some(longer) => self.strings = longer,
            None => {
                self.cut(next.any);
                if let Some(strings) = next.exact {
                    self.strings = strings;
                } else {
                    self.begin = self.here.then(length);
                }
            }
        }
        self.here = self.here.then(length);
    }

    /// What comes next may be preceded by anything.
    fn cut(&mut self, any: Option<Needed>) {
        self.whole = false;
        let ended = std::mem::replace(&mut self.strings, vec![Vec::new()]);
        let ended = needed(ended, self.begin);
        let any = any.map(|any| Needed { lead: self.here.then(any.lead), ..any });
        self.any = rarer(self.any.take(), rarer(ended, any, self.cost), self.cost);
        self.begin = self.here;
    }

    /// What `hir` repeats at least once: the first ones, anything, and the last one.
    fn repeat(&mut self, hir: &Hir, repetition: &Repetition) {
        let (sub, all) = (info(&repetition.sub, self.cost), Lead::over(hir));
        let Some(strings) = sub.exact else { return self.push(sub, all) };
        let begin = self.here;
        for _ in 0..repetition.min.min(REPEATED_MAX) {
            let one = Info { exact: Some(strings.clone()), any: None };
            self.push(one, Lead::over(&repetition.sub));
        }
        if repetition.max != Some(repetition.min) || repetition.min > REPEATED_MAX {
            self.cut(None);
            self.strings = strings;
            self.begin = Lead { most: begin.then(all).most, ..begin };
        }
        self.here = begin.then(all);
    }
}

fn concat(parts: &[Hir], cost: Cost<'_>) -> Info {
    let mut run = Run {
        cost,
        strings: vec![Vec::new()],
        begin: Lead::NONE,
        here: Lead::NONE,
        whole: true,
        any: None,
    };
    for part in parts {
        match part.kind() {
            HirKind::Repetition(repetition) if repetition.min > 0 => run.repeat(part, repetition),
            _ => run.push(info(part, cost), Lead::over(part)),
        }
    }
    let Run { strings, begin, whole, any, .. } = run;
    if whole {
        Info { exact: Some(strings), any }
    } else {
        Info { exact: None, any: rarer(needed(strings, begin), any, cost) }
    }
}

/// Every string of `heads` with every one of `tails` behind it, if they are few and short. None goes on beyond an edge.
fn cross(heads: &[Piece], tails: &[Piece]) -> Option<Strings> {
    if heads.len() * tails.len() > SET_MAX {
        return None;
    }
    let join = |head: &Piece, tail: &Piece| {
        let mut both = [&head[..], tail].concat();
        both.dedup_by(|one, other| one == other && *one >= START);
        let inner = both.iter().skip(1).all(|unit| *unit != START);
        let closed = both.iter().rev().skip(1).all(|unit| *unit != END);
        (inner && closed).then_some(both)
    };
    let both: Strings = heads
        .iter()
        .flat_map(|head| tails.iter().filter_map(move |tail| join(head, tail)))
        .collect();
    both.iter().all(|string| string.len() <= STRING_MAX).then_some(both)
}

fn alternation(parts: &[Hir], cost: Cost<'_>) -> Info {
    let all: Vec<Info> = parts.iter().map(|part| info(part, cost)).collect();
    let exact: Option<Vec<&Strings>> = all.iter().map(|info| info.exact.as_ref()).collect();
    if let Some(sets) =
        exact.filter(|sets| sets.iter().map(|set| set.len()).sum::<usize>() <= SET_MAX)
    {
        return Info { exact: Some(sets.into_iter().flatten().cloned().collect()), any: None };
    }
    let join = |one: Needed, other: Needed| Needed {
        strings: [one.strings, other.strings].concat(),
        lead: one.lead.or(other.lead),
    };
    let sets: Option<Vec<Needed>> = all.into_iter().map(|info| best(info, cost)).collect();
    let any = sets.and_then(|sets| sets.into_iter().reduce(join));
    Info { exact: None, any: any.filter(|any| any.strings.len() <= LITERALS_MAX) }
}

#[cfg(test)]
mod tests {
    use super::super::musts::musts;
    use super::super::pieces::cost;
    use super::super::symbols::set;
    use super::*;

    fn parse(pattern: &str) -> Hir {
        super::super::matching::parse(pattern).expect("a pattern")
    }

    #[test]
    fn sets_of_strings_are_followed_while_they_are_small() {
        let many = |branches: usize| {
            let branch = |at: usize| format!("{}[a-l]", char::from(b'a' + at as u8));
            (0..branches).map(branch).collect::<Vec<_>>().join("|")
        };
        for (pattern, number) in [
            ("[a-l]", 12),
            ("[a-m]", 0),
            ("[a-l][a-d]", 48),
            ("(?:[a-l][a-d])?z", 1),
            ("(?:[a-l][a-c])?z", 37),
            ("(?:qx){0,2}z", 1),
            ("", 0),
            ("^q$", 1),
            (&many(16), 192),
            (&many(17), 0),
            (&format!("[qz]{}", "x".repeat(23)), 2),
            (&format!("[qz]{}", "x".repeat(24)), 1),
        ] {
            let found = literals(&parse(pattern), &cost).map_or(0, |needed| needed.strings.len());
            assert_eq!(found, number, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_is_possible_in_a_text_that_has_its_bytes() {
        let letters: [bool; 256] = std::array::from_fn(|byte| (byte as u8).is_ascii_lowercase());
        for (pattern, may) in [
            ("abc", true),
            ("a'b", false),
            ("a['b]", true),
            ("a['\"]", false),
            ("a'?b", true),
            ("a'*b", true),
            ("a'+b", false),
            ("('a)", false),
            ("'|b", true),
            ("", true),
        ] {
            assert_eq!(possible(&parse(pattern), &letters), may, "{pattern}");
        }
    }

    #[test]
    fn what_a_pattern_needs_is_found_in_its_syntax() {
        for (pattern, needed, signs) in [
            ("union +select", vec!["union "], "union select"),
            (r"\bfoo\(bar\)", vec!["foo(bar)"], "foo(bar)"),
            ("(?:qzx|wvk)[a-z]+y?", vec!["qzx", "wvk"], ""),
            ("q[xz]?=", vec!["q=", "qx=", "qz="], "q="),
            ("[a-z]+", vec![], ""),
            ("(?:a|[0-9]*)", vec![], ""),
            ("(?:;x)+", vec![";x"], ";x"),
            (r"q(?:z\()+w", vec!["qz("], "qz(w"),
            (r"\bmozi(?:\.[am])?$", vec!["mozi.a$", "mozi.m$", "mozi$"], "mozi"),
            ("a[7-9]b", vec!["a7b", "a8b", "a9b"], "a9b"),
            ("qx{2}z", vec!["qxxz"], "qxz"),
            ("qx{2,}z", vec!["qxx"], "qxz"),
            ("q{9}", vec!["qqqqqqqq"], "q"),
            ("[q-zA-Z0-9_]+x", vec!["x"], "x"),
            ("(?:^|/)qjx(?:^a|b)", vec!["/qjxb", "^qjxb"], "qjx"),
        ] {
            let hir = parse(pattern);
            let mut found = literals(&hir, &cost).map_or_else(Vec::new, |needed| needed.strings);
            found.sort();
            let shown = |unit: &u16| match *unit {
                START => '^',
                END => '$',
                byte => char::from(byte as u8),
            };
            let found: Vec<String> =
                found.iter().map(|piece| piece.iter().map(shown).collect()).collect();
            assert_eq!(found, needed, "{pattern}");
            assert_eq!(musts(&hir).symbols, set(signs.as_bytes()), "{pattern}");
        }
    }
}
