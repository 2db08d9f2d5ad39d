//! What every match of a pattern must hold: found once, from its syntax, so that the pattern need not be tried where
//! it is not there. As in Cox, "Regular Expression Matching with a Trigram Index" (2012), and the prefilter of RE2.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::symbols::{FREQUENCIES, set, symbol};

/// Most strings of a set that is followed, and most bytes of one of them.
const SET_MAX: usize = 48;
const STRING_MAX: usize = 24;
/// How often what is repeated is written out.
const REPEATED_MAX: u32 = 8;
/// Most literals of which one must stand.
pub(super) const LITERALS_MAX: usize = 192;

/// A string of bytes, with [`START`] or [`END`] where it must be at the edge of the text.
pub(super) type Piece = Vec<u16>;
/// The beginning of the text, before its first byte.
pub(super) const START: u16 = 256;
/// The end of the text, behind its last byte.
pub(super) const END: u16 = 257;

/// Strings, one of which must stand in every match.
type Strings = Vec<Piece>;

/// What a part of a pattern matches.
struct Info {
    /// All it matches, if that is little.
    exact: Option<Strings>,
    /// One of these stands in whatever it matches.
    any: Option<Strings>,
}

/// Symbols that stand in every match of `hir`.
pub(super) fn symbols(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => set(&literal.0),
        HirKind::Class(class) => only_symbol(class),
        HirKind::Repetition(repetition) if repetition.min > 0 => symbols(&repetition.sub),
        HirKind::Repetition(_) => 0,
        HirKind::Capture(capture) => symbols(&capture.sub),
        HirKind::Concat(parts) => parts.iter().fold(0, |all, part| all | symbols(part)),
        HirKind::Alternation(parts) => {
            parts.iter().map(symbols).reduce(|all, one| all & one).unwrap_or(0)
        }
    }
}

/// The symbol that all bytes of a class have.
fn only_symbol(class: &Class) -> u64 {
    let Class::Bytes(bytes) = class else { return 0 };
    let all = bytes.iter().flat_map(|range| range.start()..=range.end());
    let symbols = all.fold(0_u64, |symbols, byte| symbols | 1 << symbol(byte));
    if symbols.count_ones() == 1 { symbols } else { 0 }
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

/// The rarest set of strings, one of which stands in every match of `hir`.
pub(super) fn literals(hir: &Hir) -> Option<Strings> {
    best(info(hir))
}

/// How often one of `strings` is met at a place of an ordinary text.
pub(super) fn cost(strings: &[Piece]) -> f32 {
    // Few texts end where they would have to.
    let edge = |piece: &Piece| if bytes(piece).len() < piece.len() { 0.25 } else { 1.0 };
    strings.iter().map(|string| rarest(&bytes(string)).1 * edge(string)).sum()
}

/// A string that may stand anywhere.
pub(super) fn piece(bytes: &[u8]) -> Piece {
    bytes.iter().map(|byte| u16::from(*byte)).collect()
}

/// What `piece` has without its edges.
pub(super) fn bytes(piece: &Piece) -> Vec<u8> {
    piece.iter().filter_map(|unit| u8::try_from(*unit).ok()).collect()
}

/// Where the rarest three bytes of `string` begin (or all of a shorter one), and how often they are met.
pub(super) fn rarest(string: &[u8]) -> (usize, f32) {
    let pieces = string.windows(string.len().clamp(1, 3)).enumerate();
    let all = pieces.map(|(at, piece)| (at, FREQUENCIES.of(piece)));
    all.min_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or((0, f32::INFINITY))
}

fn best(info: Info) -> Option<Strings> {
    rarer(info.exact.filter(|set| set.iter().all(|string| !bytes(string).is_empty())), info.any)
}

fn rarer(one: Option<Strings>, other: Option<Strings>) -> Option<Strings> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if cost(&other) < cost(&one) { other } else { one }),
        (one, other) => one.or(other),
    }
}

fn info(hir: &Hir) -> Info {
    let exact = |strings| Info { exact: Some(strings), any: None };
    match hir.kind() {
        HirKind::Look(Look::Start) => exact(vec![vec![START]]),
        HirKind::Look(Look::End) => exact(vec![vec![END]]),
        HirKind::Empty | HirKind::Look(_) => exact(vec![Vec::new()]),
        HirKind::Literal(literal) => exact(vec![piece(&literal.0)]),
        HirKind::Class(class) => Info { exact: few(class), any: None },
        HirKind::Capture(capture) => info(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => concat(std::slice::from_ref(hir)),
        HirKind::Repetition(repetition) => {
            let sub = info(&repetition.sub).exact;
            let optional = sub.filter(|set| repetition.max == Some(1) && set.len() < SET_MAX);
            let with_none = |mut strings: Strings| {
                strings.push(Vec::new());
                strings
            };
            Info { exact: optional.map(with_none), any: None }
        }
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => alternation(parts),
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
struct Run {
    strings: Strings,
    /// All parts so far are in `strings`.
    whole: bool,
    any: Option<Strings>,
}

impl Run {
    /// Goes on with what matches `next`.
    fn push(&mut self, next: Info) {
        match next.exact.as_ref().and_then(|strings| cross(&self.strings, strings)) {
            Some(longer) => self.strings = longer,
            None => {
                self.cut(next.any);
                self.strings = next.exact.unwrap_or_else(|| vec![Vec::new()]);
            }
        }
    }

    /// What comes next may be preceded by anything.
    fn cut(&mut self, any: Option<Strings>) {
        self.whole = false;
        let ended = std::mem::replace(&mut self.strings, vec![Vec::new()]);
        let best = best(Info { exact: Some(ended), any });
        self.any = rarer(self.any.take(), best);
    }

    /// At least `repetition.min` times what matches `sub`: the first ones, anything, and the last one.
    fn repeat(&mut self, repetition: &Repetition, sub: Info) {
        let Some(strings) = sub.exact else { return self.push(sub) };
        for _ in 0..repetition.min.min(REPEATED_MAX) {
            self.push(Info { exact: Some(strings.clone()), any: None });
        }
        if repetition.max != Some(repetition.min) || repetition.min > REPEATED_MAX {
            self.cut(None);
            self.strings = strings;
        }
    }
}

fn concat(parts: &[Hir]) -> Info {
    let mut run = Run { strings: vec![Vec::new()], whole: true, any: None };
    for part in parts {
        match part.kind() {
            HirKind::Repetition(repetition) if repetition.min > 0 => {
                run.repeat(repetition, info(&repetition.sub));
            }
            _ => run.push(info(part)),
        }
    }
    let Run { strings, whole, any } = run;
    if whole {
        Info { exact: Some(strings), any }
    } else {
        Info { exact: None, any: best(Info { exact: Some(strings), any }) }
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

fn alternation(parts: &[Hir]) -> Info {
    let all: Vec<Info> = parts.iter().map(info).collect();
    let exact: Option<Vec<&Strings>> = all.iter().map(|info| info.exact.as_ref()).collect();
    if let Some(sets) =
        exact.filter(|sets| sets.iter().map(|set| set.len()).sum::<usize>() <= SET_MAX)
    {
        return Info { exact: Some(sets.into_iter().flatten().cloned().collect()), any: None };
    }
    let sets: Option<Vec<Strings>> = all.into_iter().map(best).collect();
    let any = sets.map(|sets| sets.concat()).filter(|strings| strings.len() <= LITERALS_MAX);
    Info { exact: None, any }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pattern: &str) -> Hir {
        let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
        parser.parse(pattern).expect("a pattern")
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
            assert_eq!(literals(&parse(pattern)).unwrap_or_default().len(), number, "{pattern}");
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
    fn strings_cost_by_their_rarest_part_and_less_at_an_edge() {
        let one = |text: &[u8]| cost(&[piece(text)]);
        assert!(one(b"the") > one(b"qjx"));
        assert_eq!(one(b"theqjxthe"), one(b"qjx"));
        assert_eq!(rarest(b"theqjxthe").0, 3);
        assert_eq!(cost(&[piece(b"the"), piece(b"qjx")]), one(b"the") + one(b"qjx"));
        assert_eq!(cost(&[[&[START], &piece(b"the")[..]].concat()]), one(b"the") / 4.0);
        assert_eq!(cost(&[piece(b"")]), f32::INFINITY);
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
            let mut found = literals(&hir).unwrap_or_default();
            found.sort();
            let shown = |unit: &u16| match *unit {
                START => '^',
                END => '$',
                byte => char::from(byte as u8),
            };
            let found: Vec<String> =
                found.iter().map(|piece| piece.iter().map(shown).collect()).collect();
            assert_eq!(found, needed, "{pattern}");
            assert_eq!(symbols(&hir), set(signs.as_bytes()), "{pattern}");
        }
    }
}
