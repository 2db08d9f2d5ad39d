//! One request against all that is known.

use std::ops::Range;

use crate::features::{self, BIAS, Feature, HELD};
use crate::lexical;
use crate::model::Model;
use crate::normalise::{Marks, Normaliser, Reading};
use crate::request::{Part, Place, Request, Value};
use crate::signatures::{Exceptions, Flags, Hits, Signatures};
use crate::split::{json, split};
use crate::structure::markup;
use crate::structure::sql::Sql;

mod memory;

use memory::{Best, Memory};

/// Probability of an attack before anything is read, where the policy says nothing else.
pub const PI: f64 = 0.001;

/// Signatures, their exceptions, and the model that weighs what they find.
#[derive(Debug)]
pub struct Detector {
    pub signatures: Signatures,
    pub model: Model,
    pub exceptions: Exceptions,
    /// Probability of an attack before anything is read.
    pub pi: f64,
}

/// All buffers that reading needs: one for each thread.
#[derive(Debug, Default)]
pub struct Reader {
    pub(crate) normaliser: Normaliser,
    pub(crate) hits: Hits,
    memory: Option<Memory>,
    /// Bytes and tokens that the tokenisers looked at so far.
    pub steps: u64,
}

impl Reader {
    /// Remembers what paths, user agents and referers scored, in about 1.2 MB; every score is the same without. It forgets
    /// all when it serves a detector of other signatures or another model, so it is meant for one at a time.
    #[must_use]
    pub fn remembering() -> Self {
        Self { memory: Some(Memory::new()), ..Self::default() }
    }

    /// Bytes and tokens that the normaliser and the tokenisers looked at so far.
    #[must_use]
    pub fn all_steps(&self) -> u64 {
        self.steps + self.normaliser.steps()
    }
}

/// What a request scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Log-likelihood ratio: the largest over all readings of all windows, and what signatures of the whole request add.
    pub llr: f32,
    /// The window and the reading of it that decided; None in a request without values.
    pub best: Option<(usize, usize)>,
    /// Windows that were not read.
    pub not_read: usize,
}

/// Which hits do not count: those that an exception hides in this request at this time.
#[derive(Clone, Copy)]
pub(crate) struct Hidden<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) now: u64,
}

impl Detector {
    /// Without exceptions, and with the default prior probability.
    pub fn new(signatures: Signatures, model: Model) -> Self {
        Self { signatures, model, exceptions: Exceptions::default(), pi: PI }
    }

    /// The built-in signatures with the model that comes with this version.
    pub fn shipped(pi: f64) -> Self {
        let signatures =
            Signatures::built_in().expect("a test compiles the packs that are built in");
        let model = Model::shipped(&signatures);
        Self { pi, ..Self::new(signatures, model) }
    }

    /// Calls `sink` with the index of the reading, a feature and its value, for everything found in `value`; a feature
    /// may come more than once and then counts by the sum. A quiet reading without a hit or structure has no feature at
    /// all: it is worth the model's quiet floor. Training and scoring both see values through this.
    pub fn features(
        &self,
        reader: &mut Reader,
        value: &Value<'_>,
        sink: &mut impl FnMut(usize, Feature, f32),
    ) {
        let Reader { normaliser, hits, steps, .. } = reader;
        let mut index = 0;
        normaliser.read(value, |reading| {
            self.read(value, reading, None, hits, steps, &mut |feature, count| {
                if count != 0.0 {
                    sink(index, feature, count);
                }
            });
            index += 1;
        });
    }

    /// Scores `request` without regard to exceptions.
    pub fn score(&self, reader: &mut Reader, request: &Request<'_>) -> Score {
        self.score_hiding(reader, request, None)
    }

    /// Scores `request` with the exceptions in force at `now` (UTC milliseconds).
    pub fn score_at(&self, reader: &mut Reader, request: &Request<'_>, now: u64) -> Score {
        self.score_hiding(reader, request, Some(Hidden { request, now }))
    }

    pub(crate) fn score_hiding(
        &self,
        reader: &mut Reader,
        request: &Request<'_>,
        hidden: Option<Hidden<'_>>,
    ) -> Score {
        let hidden = hidden.filter(|_| !self.exceptions.is_empty());
        // What an exception hides depends on the whole request, so such scores are not remembered.
        let mut memory = reader.memory.take();
        let mut remembered = memory.as_mut().filter(|_| hidden.is_none());
        if let Some(memory) = &mut remembered {
            memory.serve(self);
        }
        let mut score = Score { llr: self.model.quiet, best: None, not_read: 0 };
        let mut window = 0;
        score.not_read = split(request, |value| {
            let hash = remembered.as_ref().and_then(|_| Memory::hash(&value));
            let known =
                hash.and_then(|hash| remembered.as_ref().and_then(|all| all.find(hash, &value)));
            let best = known.unwrap_or_else(|| self.best(reader, &value, hidden));
            if let (None, Some(hash), Some(memory)) = (known, hash, &mut remembered) {
                memory.keep(hash, &value, best);
            }
            if score.best.is_none() || best.llr > score.llr {
                score.llr = best.llr;
                score.best = Some((window, best.reading));
            }
            window += 1;
        });
        reader.memory = memory;
        self.whole(request, hidden, |_, weight| score.llr += weight);
        score
    }

    /// Calls `each` with the position and the weight of every signature of the request as a whole that hits.
    pub(crate) fn whole(
        &self,
        request: &Request<'_>,
        hidden: Option<Hidden<'_>>,
        mut each: impl FnMut(usize, f32),
    ) {
        self.signatures.whole(request, |at| {
            if hidden.is_none_or(|hidden| !self.hides(at, &no_value(request), hidden)) {
                each(at, self.model.weight(features::signature(at)));
            }
        });
    }

    /// The LLR of one value by itself.
    pub fn score_value(&self, reader: &mut Reader, value: &Value<'_>) -> f32 {
        self.best(reader, value, None).llr
    }

    /// The largest LLR over the readings of one value.
    fn best(&self, reader: &mut Reader, value: &Value<'_>, hidden: Option<Hidden<'_>>) -> Best {
        let Reader { normaliser, hits, steps, .. } = reader;
        let mut best: Option<Best> = None;
        let mut index = 0;
        normaliser.read(value, |reading| {
            let mut sum = 0.0;
            let seen = self.read(value, reading, hidden, hits, steps, &mut |feature, count| {
                sum += self.model.weight(feature) * count;
            });
            let llr = if seen { self.model.llr(sum) } else { self.model.quiet };
            if best.is_none_or(|best| llr > best.llr) {
                best = Some(Best { llr, reading: index });
            }
            index += 1;
        });
        best.unwrap_or(Best { llr: self.model.quiet, reading: 0 })
    }

    /// Adds what is in one reading, and some of what is not with a count of 0; answers false if it stays at the quiet
    /// floor.
    pub(crate) fn read(
        &self,
        value: &Value<'_>,
        reading: &Reading<'_>,
        hidden: Option<Hidden<'_>>,
        hits: &mut Hits,
        steps: &mut u64,
        add: &mut impl FnMut(Feature, f32),
    ) -> bool {
        let flags = Flags::read(value, reading, steps);
        self.signatures.run(value, reading, &flags, hits);
        if let Some(hidden) = hidden {
            hits.retain(|at| !self.hides(at, value, hidden));
        }
        let found = !hits.is_empty() || flags.structured();
        if !found && (reading.quiet || data(reading) || encoded(reading)) {
            return false;
        }
        let light = !flags.structured() && !self.model.may_suffice(hits.positions());
        if light || self.asks(reading, &flags, hits) {
            self.tell_held(value, reading, &flags, hits, add);
        } else {
            tell(value, reading, &flags, hits, add);
        }
        true
    }

    /// Whether it is one whole question to a database, which nothing was broken out of and in which no signature hits but
    /// those that such a question is made of: so do tools ask on purpose.
    fn asks(&self, reading: &Reading<'_>, flags: &Flags, hits: &Hits) -> bool {
        let part = |at: &u16| {
            let known = self.signatures.get(usize::from(*at));
            known.is_some_and(|known| known.asks)
        };
        reading.sql.starts_with(b"select ")
            && flags.sql & Sql::STATEMENT.0 != 0
            && flags.shell == 0
            && flags.markup == 0
            && hits.positions().iter().all(part)
    }

    /// As [`tell`], and takes off what would lift the reading to *alone* by signatures that may not. What it is worth
    /// without them it keeps, so that nobody gains by writing such a finding beside an attack.
    fn tell_held(
        &self,
        value: &Value<'_>,
        reading: &Reading<'_>,
        flags: &Flags,
        hits: &mut Hits,
        add: &mut impl FnMut(Feature, f32),
    ) {
        let (mut sum, mut by_hits) = (0.0, 0.0);
        tell(value, reading, flags, hits, &mut |feature, count| {
            let weight = self.model.weight(feature) * count;
            sum += weight;
            if features::position(feature).is_some() {
                by_hits += weight;
            }
            add(feature, count);
        });
        let text = match reading.quiet || data(reading) {
            true => f32::MIN,
            false => sum - by_hits + self.model.weight(lexical::NOTHING_FOUND),
        };
        let most = self.model.held.max(text);
        if sum > most {
            add(HELD, most - sum);
        }
    }

    fn hides(&self, at: usize, value: &Value<'_>, hidden: Hidden<'_>) -> bool {
        let signature = self.signatures.get(at);
        signature.is_some_and(|signature| {
            self.exceptions.hiding(&signature.id, hidden.request, value, hidden.now).is_some()
        })
    }
}

/// Adds what is in a reading that is not left at the quiet floor.
fn tell(
    value: &Value<'_>,
    reading: &Reading<'_>,
    flags: &Flags,
    hits: &mut Hits,
    add: &mut impl FnMut(Feature, f32),
) {
    add(BIAS, 1.0);
    let masks = [
        // Where a line break stands is for signatures to ask; that there is one is the evidence.
        (features::MARK_BASE, flags.marks & !Marks::LINE_INSIDE.0),
        (features::SQL_BASE, flags.sql),
        (features::SHELL_BASE, flags.shell),
        (features::MARKUP_BASE, flags.markup),
    ];
    for (base, mask) in masks {
        features::bits(base, mask, |feature| add(feature, 1.0));
    }
    for at in hits.positions() {
        add(features::signature(usize::from(*at)), 1.0);
    }
    if reading.quiet {
        add(lexical::PLAIN_WORDS, 1.0);
        return;
    }
    if hits.is_empty() && !flags.structured() {
        add(lexical::NOTHING_FOUND, 1.0);
    }
    lexical::read_with(&reading.text[counted(value, reading)], &mut hits.lexical, add);
}

/// The part of the text whose signs and n-grams are counted. Every path begins with a slash, and many documents of XML
/// with the same declaration, which says nothing.
pub(crate) fn counted(value: &Value<'_>, reading: &Reading<'_>) -> Range<usize> {
    let slash = usize::from(value.place == Place::Path && reading.text.starts_with(b"/"));
    let head = slash.max(markup::prologue(reading.text));
    head..reading.text.len().min(head + lexical::BYTES_MAX)
}

/// Whether it was in base64, as programs send much, and nothing known stands in it.
fn encoded(reading: &Reading<'_>) -> bool {
    reading.marks.0 & Marks::BASE64.0 != 0
}

/// Whether it is a document of plain words and numbers, written as programs write them.
fn data(reading: &Reading<'_>) -> bool {
    reading.marks.0 & !Marks::ORDINARY.0 == 0 && json::says_nothing(reading.text)
}

/// What stands for a value where the request as a whole is meant: it has no name, and its path is shown.
pub(crate) fn no_value<'a>(request: &Request<'a>) -> Value<'a> {
    Value { place: Place::Path, part: Part::Value, name: b"", raw: request.uri }
}
