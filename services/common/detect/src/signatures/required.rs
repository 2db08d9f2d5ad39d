//! What every match of a pattern must hold: found once, from its syntax, so that the pattern need not be tried where
//! it is not there. As in Cox, "Regular Expression Matching with a Trigram Index" (2012), and the prefilter of RE2.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::symbols::{FREQUENCIES, set, symbol};

/// Most strings of a set that is followed, and most bytes of one of them.
const SET_MAX: usize = 48;
const STRING_MAX: usize = 24;
/// Most literals of which one must stand.
pub(super) const LITERALS_MAX: usize = 192;

/// Strings, one of which must stand in every match.
type Strings = Vec<Vec<u8>>;

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

/// The rarest set of strings, one of which stands in every match of `hir`.
pub(super) fn literals(hir: &Hir) -> Option<Strings> {
    best(info(hir))
}

/// How often one of `strings` is met at a place of an ordinary text.
pub(super) fn cost(strings: &[Vec<u8>]) -> f32 {
    strings.iter().map(|string| rarest(string).1).sum()
}

/// Where the rarest three bytes of `string` begin (or all of a shorter one), and how often they are met.
pub(super) fn rarest(string: &[u8]) -> (usize, f32) {
    let pieces = string.windows(string.len().clamp(1, 3)).enumerate();
    let all = pieces.map(|(at, piece)| (at, FREQUENCIES.of(piece)));
    all.min_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or((0, f32::INFINITY))
}

fn best(info: Info) -> Option<Strings> {
    rarer(info.exact.filter(|set| set.iter().all(|string| !string.is_empty())), info.any)
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
        HirKind::Empty | HirKind::Look(_) => exact(vec![Vec::new()]),
        HirKind::Literal(literal) => exact(vec![literal.0.to_vec()]),
        HirKind::Class(class) => Info { exact: few(class), any: None },
        HirKind::Capture(capture) => info(&capture.sub),
        HirKind::Repetition(repetition) => {
            let sub = info(&repetition.sub);
            match (repetition.min, repetition.max, sub.exact) {
                (0, Some(1), Some(mut strings)) if strings.len() < SET_MAX => {
                    strings.push(Vec::new());
                    exact(strings)
                }
                (0, ..) => Info { exact: None, any: None },
                (1, Some(1), strings) => Info { exact: strings, any: sub.any },
                (_, _, strings) => {
                    Info { exact: None, any: best(Info { exact: strings, any: sub.any }) }
                }
            }
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
    (all > 0 && all <= 12).then(|| each().map(|byte| vec![byte]).collect())
}

fn concat(parts: &[Hir]) -> Info {
    let (mut run, mut whole, mut any) = (vec![Vec::new()], true, None);
    for part in parts {
        let next = info(part);
        match next.exact.as_ref().and_then(|strings| cross(&run, strings)) {
            Some(longer) => run = longer,
            None => {
                whole = false;
                let ended = std::mem::replace(&mut run, vec![Vec::new()]);
                any = rarer(any, best(Info { exact: Some(ended), any: next.any }));
                run = next.exact.unwrap_or(run);
            }
        }
    }
    if whole {
        return Info { exact: Some(run), any };
    }
    Info { exact: None, any: best(Info { exact: Some(run), any }) }
}

/// Every string of `heads` with every one of `tails` behind it, if they are few and short.
fn cross(heads: &[Vec<u8>], tails: &[Vec<u8>]) -> Option<Strings> {
    if heads.len() * tails.len() > SET_MAX {
        return None;
    }
    let both =
        heads.iter().flat_map(|head| tails.iter().map(move |tail| [&head[..], tail].concat()));
    let both: Strings = both.collect();
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

    #[test]
    fn what_a_pattern_needs_is_found_in_its_syntax() {
        let parse = |pattern| {
            let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
            parser.parse(pattern).expect("a pattern")
        };
        for (pattern, needed, signs) in [
            ("union +select", vec!["union"], "union select"),
            (r"\bfoo\(bar\)", vec!["foo(bar)"], "foo(bar)"),
            ("(?:qzx|wvk)[a-z]+y?", vec!["qzx", "wvk"], ""),
            ("q[xz]?=", vec!["q=", "qx=", "qz="], "q="),
            ("[a-z]+", vec![], ""),
            ("(?:a|[0-9]*)", vec![], ""),
            ("(?:;x)+", vec![";x"], ";x"),
        ] {
            let hir = parse(pattern);
            let mut found = literals(&hir).unwrap_or_default();
            found.sort();
            let found: Vec<_> = found.iter().map(|one| String::from_utf8_lossy(one)).collect();
            assert_eq!(found, needed, "{pattern}");
            assert_eq!(symbols(&hir), set(signs.as_bytes()), "{pattern}");
        }
    }
}
