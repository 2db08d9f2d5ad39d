//! Why a request scored what it did, for a person on call.

use std::cell::OnceCell;
use std::ops::Range;

use serde::Serialize;

use crate::detector::{Detector, Hidden, Reader, Score, counted, no_value};
use crate::features::{self, BIAS, Feature};
use crate::normalise::Reading;
use crate::request::{Part, Request, Value};
use crate::signatures::places::word;
use crate::signatures::{Except, Flags, Hits, Severity, Signature, View, WHOLE};
use crate::split::split;

mod flags;
mod grams;
pub mod mask;
mod meanings;

pub use flags::explanation as meaning;

/// One reason, and what it adds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// Where the value stood.
    pub place: &'static str,
    /// Name of the parameter, field, cookie or header; empty where there is none.
    pub name: String,
    /// The normalised value, cut around what was found, credentials masked.
    pub value: String,
    /// Identifier of the signature, flag, mark or count.
    pub id: String,
    /// What it adds to the LLR.
    pub weight: f32,
    pub explanation: String,
}

/// What all n-grams add together.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Grams {
    /// What they add to the LLR.
    pub weight: f32,
    /// The pieces that add most, strongest first.
    pub pieces: Vec<String>,
}

/// A hit that an exception hides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Excepted {
    pub evidence: Evidence,
    pub exception: Except,
}

/// One request, explained: `base`, the weights of `evidence` and `grams`, and `calibration` add up to `llr`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Log-likelihood ratio of an attack.
    pub llr: f32,
    /// σ(llr + logit π).
    pub probability: f64,
    /// Probability of an attack before anything was read.
    pub pi: f64,
    /// Low from the threshold *evidence*, high from *alone*; None below both.
    pub severity: Option<Severity>,
    /// Kind of attack; empty where nothing points to one.
    pub category: String,
    /// What a value is worth before its evidence; all there is for a quiet one.
    pub base: f32,
    /// Strongest first.
    pub evidence: Vec<Evidence>,
    pub grams: Grams,
    /// What such a sum proved to be worth, on sources that the model had not learnt from, beyond the sum itself.
    pub calibration: f32,
    /// Hits that did not count.
    pub excepted: Vec<Excepted>,
    /// Windows that were not read.
    pub not_read: usize,
    /// Nothing was learnt: weights are the priors of the signatures.
    pub without_model: bool,
}

impl Explanation {
    /// The sum of all contributions: the LLR but for rounding.
    pub fn sum(&self) -> f32 {
        self.base
            + self.grams.weight
            + self.calibration
            + self.evidence.iter().map(|evidence| evidence.weight).sum::<f32>()
    }
}

/// What is masked in each view of a reading and in its name, found when it is first asked for.
struct Masks<'a> {
    request: &'a Request<'a>,
    /// Whether nothing of the value is to be shown.
    whole: OnceCell<bool>,
    value: &'a Value<'a>,
    reading: &'a Reading<'a>,
    found: [OnceCell<Vec<Range<usize>>>; View::ALL.len()],
    name: OnceCell<String>,
}

impl<'a> Masks<'a> {
    fn new(request: &'a Request<'a>, value: &'a Value<'a>, reading: &'a Reading<'a>) -> Self {
        let (whole, name) = (OnceCell::new(), OnceCell::new());
        Self { request, whole, value, reading, found: Default::default(), name }
    }

    /// The name of the value, fit to be shown.
    fn name(&self) -> &str {
        let name: &[u8] = if self.value.part == Part::Name { b"" } else { self.value.name };
        self.name.get_or_init(|| mask::name(name))
    }

    fn of(&self, view: View) -> &[Range<usize>] {
        let text = view.of(self.reading);
        let first = View::ALL.iter().position(|one| std::ptr::eq(one.of(self.reading), text));
        let whole = *self.whole.get_or_init(|| mask::whole(self.request, self.value));
        self.found[first.unwrap_or(0)].get_or_init(|| mask::of(whole, text))
    }
}

/// What the exceptions in force hide in one request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhyNot {
    /// LLR with the exceptions.
    pub llr: f32,
    /// LLR if there were none.
    pub llr_without_exceptions: f32,
    pub hidden: Vec<Excepted>,
}

impl Detector {
    /// Explains `request` without regard to exceptions.
    pub fn explain(&self, reader: &mut Reader, request: &Request<'_>) -> Explanation {
        self.explain_hiding(reader, request, None)
    }

    /// Explains `request` with the exceptions in force at `now` (UTC milliseconds).
    pub fn explain_at(&self, reader: &mut Reader, request: &Request<'_>, now: u64) -> Explanation {
        self.explain_hiding(reader, request, Some(Hidden { request, now }))
    }

    /// What the exceptions in force at `now` (UTC milliseconds) hide in `request`.
    pub fn why_not(&self, reader: &mut Reader, request: &Request<'_>, now: u64) -> WhyNot {
        WhyNot {
            llr: self.score_at(reader, request, now).llr,
            llr_without_exceptions: self.score(reader, request).llr,
            hidden: self.excepted(reader, request, now),
        }
    }

    /// Explains `request`, of which [`score_at`](Self::score_at) answered `score` for the same `now`.
    pub fn explain_scored(
        &self,
        reader: &mut Reader,
        request: &Request<'_>,
        now: u64,
        score: Score,
    ) -> Explanation {
        self.explain_found(reader, request, Some(Hidden { request, now }), score)
    }

    fn explain_hiding(
        &self,
        reader: &mut Reader,
        request: &Request<'_>,
        hidden: Option<Hidden<'_>>,
    ) -> Explanation {
        let score = self.score_hiding(reader, request, hidden);
        self.explain_found(reader, request, hidden, score)
    }

    fn explain_found(
        &self,
        reader: &mut Reader,
        request: &Request<'_>,
        hidden: Option<Hidden<'_>>,
        score: Score,
    ) -> Explanation {
        let hidden = hidden.filter(|_| !self.exceptions.is_empty());
        let severity = if score.llr >= self.model.alone {
            Some(Severity::High)
        } else {
            (score.llr >= self.model.evidence).then_some(Severity::Low)
        };
        let mut explanation = Explanation {
            llr: score.llr,
            probability: self.model.probability(score.llr, self.pi),
            pi: self.pi,
            severity,
            category: String::new(),
            base: self.model.quiet,
            evidence: Vec::new(),
            grams: Grams::default(),
            calibration: 0.0,
            excepted: hidden
                .map_or_else(Vec::new, |hidden| self.excepted(reader, request, hidden.now)),
            not_read: score.not_read,
            without_model: self.model.without_model,
        };
        if let Some((window, reading)) = score.best {
            let wanted = |at| at == window;
            self.visit(reader, request, wanted, |at, value, found, hits| {
                if at == reading {
                    self.fill(request, value, found, hidden, hits, &mut explanation);
                }
            });
        }
        self.whole(request, hidden, |at, weight| {
            explanation.evidence.extend(self.of_whole(request, at, weight));
        });
        explanation.evidence.sort_by(|one, other| other.weight.total_cmp(&one.weight));
        explanation.category = self.category(&explanation.evidence);
        explanation
    }

    /// What a signature of the request as a whole found, and what it adds.
    fn of_whole(&self, request: &Request<'_>, at: usize, weight: f32) -> Option<Evidence> {
        let signature = self.signatures.get(at)?;
        let seen = signature.request.as_ref()?.seen(request);
        Some(Evidence {
            place: WHOLE,
            name: String::new(),
            value: mask::quote(&seen, 0..0, &mask::runs(&seen)),
            id: signature.id.clone(),
            weight,
            explanation: signature.explanation.clone(),
        })
    }

    /// Calls `each` with every reading of those windows of `request` that are `wanted`, and the number of the reading.
    fn visit(
        &self,
        reader: &mut Reader,
        request: &Request<'_>,
        wanted: impl Fn(usize) -> bool,
        mut each: impl FnMut(usize, &Value<'_>, &Reading<'_>, &mut Hits),
    ) {
        let Reader { normaliser, hits, .. } = reader;
        let mut window = 0;
        split(request, |value| {
            if wanted(window) {
                let mut index = 0;
                normaliser.read(&value, |reading| {
                    each(index, &value, reading, hits);
                    index += 1;
                });
            }
            window += 1;
        });
    }

    fn fill(
        &self,
        request: &Request<'_>,
        value: &Value<'_>,
        reading: &Reading<'_>,
        hidden: Option<Hidden<'_>>,
        hits: &mut Hits,
        explanation: &mut Explanation,
    ) {
        let mut found: Vec<(Feature, f32)> = Vec::new();
        if !self.read(value, reading, hidden, hits, &mut 0, &mut |feature, count| {
            found.push((feature, count))
        }) {
            return;
        }
        explanation.base = self.model.weight(BIAS);
        let masks = Masks::new(request, value, reading);
        let mut grams = Vec::new();
        for (feature, count) in found.into_iter().filter(|(feature, _)| *feature != BIAS) {
            let weight = self.model.weight(feature) * count;
            if features::is_gram(feature) {
                grams.push((feature, weight));
            } else if weight != 0.0 {
                explanation.evidence.push(self.evidence(value, reading, &masks, feature, weight));
            }
        }
        let text = grams::Text {
            text: reading.text,
            counted: counted(value, reading),
            masked: masks.of(View::Text),
        };
        explanation.grams = grams::summed(&text, &grams);
        explanation.calibration = self.model.bend.added(explanation.sum());
    }

    /// The kind of attack that the strongest evidence points to.
    fn category(&self, evidence: &[Evidence]) -> String {
        let named = evidence.iter().filter(|evidence| evidence.weight > 0.0).find_map(|evidence| {
            let signature =
                self.signatures.position(&evidence.id).and_then(|at| self.signatures.get(at));
            match signature {
                Some(signature) => Some(signature.category.clone()),
                None => flags::category(&evidence.id).map(str::to_owned),
            }
        });
        named.unwrap_or_default()
    }

    fn evidence(
        &self,
        value: &Value<'_>,
        reading: &Reading<'_>,
        masks: &Masks<'_>,
        feature: Feature,
        weight: f32,
    ) -> Evidence {
        let id = features::name(feature, &self.signatures);
        let at = features::position(feature);
        let signature = at.and_then(|at| self.signatures.get(at));
        let (view, found) = match signature {
            Some(signature) => (signature.view, self.place_of(signature, at, reading)),
            None => (View::Text, 0..0),
        };
        let explanation = signature
            .map_or_else(|| flags::explanation(&id), |signature| signature.explanation.clone());
        Evidence {
            place: word(value.place),
            name: masks.name().to_owned(),
            value: mask::quote(view.of(reading), found, masks.of(view)),
            id,
            weight,
            explanation,
        }
    }

    /// Where in its view the signature matched: by its pattern, or by its first literal.
    fn place_of(
        &self,
        signature: &Signature,
        at: Option<usize>,
        reading: &Reading<'_>,
    ) -> std::ops::Range<usize> {
        let text = signature.view.of(reading);
        if let Some(found) =
            at.and_then(|at| self.signatures.pattern(at)).and_then(|pattern| pattern.find(text))
        {
            return found.range();
        }
        let literal = |need: &String| {
            memchr::memmem::find(text, need.as_bytes()).map(|start| start..start + need.len())
        };
        signature.needs.iter().find_map(literal).unwrap_or(0..0)
    }

    fn excepted(&self, reader: &mut Reader, request: &Request<'_>, now: u64) -> Vec<Excepted> {
        let mut excepted = Vec::new();
        self.visit(
            reader,
            request,
            |_| true,
            |_, value, reading, hits| {
                let flags = Flags::read(value, reading, &mut 0);
                self.signatures.run(value, reading, &flags, hits);
                let masks = Masks::new(request, value, reading);
                for at in hits.positions() {
                    let at = usize::from(*at);
                    let Some(signature) = self.signatures.get(at) else { continue };
                    if let Some(exception) =
                        self.exceptions.hiding(&signature.id, request, value, now)
                    {
                        let feature = features::signature(at);
                        let weight = self.model.weight(feature);
                        let evidence = self.evidence(value, reading, &masks, feature, weight);
                        excepted.push(Excepted { evidence, exception: exception.clone() });
                    }
                }
            },
        );
        self.signatures.whole(request, |at| {
            let Some(signature) = self.signatures.get(at) else { return };
            let weight = self.model.weight(features::signature(at));
            let hiding =
                self.exceptions.hiding(&signature.id, request, &no_value(request), now).cloned();
            excepted.extend(
                hiding
                    .zip(self.of_whole(request, at, weight))
                    .map(|(exception, evidence)| Excepted { evidence, exception }),
            );
        });
        excepted
    }
}
