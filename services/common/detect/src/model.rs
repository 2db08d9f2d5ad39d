//! One weight for each feature: the model and its file.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::features::{self, BIAS, END, Feature, GRAM_BASE, GRAM_SLOTS, HELD, SIGNATURE_BASE};
use crate::identity::Identity;
use crate::signatures::{Severity, Signature, Signatures};

pub mod bend;

use bend::Bend;

/// Largest file that is read.
pub const FILE_BYTES_MAX: usize = 300 << 10;
/// Format of the files written and read.
pub const FORMAT: u32 = 1;
/// No weight or threshold is further from 0.
const WEIGHT_MAX: f32 = 60.0;
/// How far below *alone* a sum is held; less than what a prior is cut by, so that no cut prior is held as well.
const HELD_BELOW: f32 = 0.05;

/// Why a file is not a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the model file has {0} bytes, more than {FILE_BYTES_MAX}")]
    Size(usize),
    #[error("the model file cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the model file is of format {0}, not {FORMAT}")]
    Format(u32),
    #[error("the model file weighs {0:?}, which is no feature")]
    Feature(String),
    #[error("{name} is {value}, out of bounds")]
    Value { name: String, value: f32 },
    #[error("the threshold of evidence, {evidence}, is above that of alone, {alone}")]
    Thresholds { evidence: f32, alone: f32 },
    #[error("the n-grams of the model file are damaged")]
    Grams,
    #[error("the bend of the model file is none: its sums and what becomes of them must rise")]
    Bend,
}

/// Weights by name; a name that stands twice says that the file is not what was written.
fn named_once<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, f32>, D::Error> {
    struct Named;
    impl<'de> serde::de::Visitor<'de> for Named {
        type Value = BTreeMap<String, f32>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("weights by name")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut weights = BTreeMap::new();
            while let Some((name, weight)) = map.next_entry::<String, f32>()? {
                if weights.contains_key(&name) {
                    return Err(serde::de::Error::custom(format!("{name:?} stands twice")));
                }
                weights.insert(name, weight);
            }
            Ok(weights)
        }
    }
    deserializer.deserialize_map(Named)
}

/// A model as it is kept: features by name, so that it outlives their numbering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    pub format: u32,
    /// LLR of a value in which nothing was found.
    pub quiet: f32,
    /// LLR of a value that is not quiet, before its features.
    pub bias: f32,
    /// LLR from which a request is evidence.
    pub evidence: f32,
    /// LLR from which one request suffices.
    pub alone: f32,
    /// Weights of flags, marks and lexical counts by name.
    #[serde(deserialize_with = "named_once")]
    pub features: BTreeMap<String, f32>,
    /// By identifier of a signature, how far its weight is from its prior.
    #[serde(deserialize_with = "named_once")]
    pub signatures: BTreeMap<String, f32>,
    pub grams: Grams,
    /// Calibration beside the weights: sums in rising order, each with what is added to it. None in files of before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bend: Vec<(f32, f32)>,
    /// What was measured when it was made.
    #[serde(default)]
    pub report: serde_json::Value,
}

/// Weights of hashed n-grams in steps, those of 0 left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grams {
    pub step: f32,
    /// Base64 of, for each, the distance of its slot from the one before (low seven bits first, the eighth set while
    /// more follow) and the number of steps in a signed byte.
    pub slots: String,
}

impl Grams {
    /// Keeps `weights` (slot in rising order, weight) to one part in 127 of the largest.
    pub fn pack(weights: &[(u16, f32)]) -> Self {
        let largest = weights.iter().map(|(_, weight)| weight.abs()).fold(0.0, f32::max);
        let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        let (mut bytes, mut before) = (Vec::new(), 0u16);
        for (slot, weight) in weights {
            let steps = (weight / step).round() as i8;
            if steps == 0 {
                continue;
            }
            let mut distance = slot - before;
            while distance >= 0x80 {
                bytes.push(distance as u8 | 0x80);
                distance >>= 7;
            }
            bytes.push(distance as u8);
            bytes.push(steps.to_le_bytes()[0]);
            before = *slot;
        }
        Self { step, slots: STANDARD_NO_PAD.encode(bytes) }
    }

    /// Calls `each` with every slot and its weight.
    fn unpack(&self, mut each: impl FnMut(u32, f32)) -> Result<(), ModelError> {
        let bytes = STANDARD_NO_PAD.decode(&self.slots).map_err(|_| ModelError::Grams)?;
        let mut rest = bytes.into_iter();
        let mut slot = 0u32;
        while let Some(first) = rest.next() {
            let (mut byte, mut distance, mut shift) = (first, 0u32, 0);
            while byte & 0x80 != 0 {
                distance |= u32::from(byte & 0x7f) << shift;
                shift += 7;
                byte = rest.next().filter(|_| shift <= 14).ok_or(ModelError::Grams)?;
            }
            slot += distance | u32::from(byte) << shift;
            let steps = i8::from_le_bytes([rest.next().ok_or(ModelError::Grams)?]);
            if slot >= GRAM_SLOTS {
                return Err(ModelError::Grams);
            }
            each(slot, f32::from(steps) * self.step);
        }
        Ok(())
    }
}

/// The model that comes with this version: learnt from all rows, its figures in `model/report.md` beside it.
pub const SHIPPED: &str = include_str!("../model/perimeter.json");

/// How far a hit may lift a value in which no tokeniser found structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It may suffice alone.
    Alone,
    /// Beside another signature it may.
    Beside,
    /// It is evidence, and so is any number of its like.
    Evidence,
}

impl Reach {
    /// A model learns what stands beside a signature as well, and what is never seen learns nothing at all. So weights
    /// by themselves keep neither a low severity nor what nobody has tried from sufficing alone.
    fn of(found: &Signature, learnt: bool) -> Self {
        match found.severity {
            _ if found.decisive => Self::Alone,
            Severity::Low => Self::Evidence,
            _ if !learnt => Self::Beside,
            _ => Self::Alone,
        }
    }
}

/// One linear model, ready to weigh.
#[derive(Debug, Clone)]
pub struct Model {
    weights: Vec<f32>,
    /// By position of a signature.
    reaches: Vec<Reach>,
    /// The highest sum of findings that may not suffice alone.
    pub(crate) held: f32,
    /// Which weights these are: no other model of this process has it, but for copies.
    pub(crate) identity: Identity,
    /// LLR of a value in which nothing was found.
    pub quiet: f32,
    pub bias: f32,
    /// From a sum to its LLR.
    pub(crate) bend: Bend,
    /// LLR from which a request is evidence.
    pub evidence: f32,
    /// LLR from which one request suffices.
    pub alone: f32,
    /// Nothing was learnt: the priors add up.
    pub without_model: bool,
}

impl Model {
    /// Scores with what was believed before anything was learnt.
    pub fn priors(signatures: &Signatures) -> Self {
        let (bias, evidence, alone) = (-4.0, 0.0, 4.0);
        let mut weights = vec![0.0; END as usize];
        weights[BIAS.0 as usize] = bias;
        for (at, found) in signatures.iter().enumerate() {
            weights[features::signature(at).0 as usize] = found.prior_within(alone - bias);
        }
        Self {
            weights,
            reaches: signatures.iter().map(|found| Reach::of(found, true)).collect(),
            held: alone - HELD_BELOW,
            identity: Identity::new(),
            quiet: bias,
            bias,
            bend: Bend::default(),
            evidence,
            alone,
            without_model: true,
        }
    }

    /// The model that comes with this version, for the signatures loaded.
    pub fn shipped(signatures: &Signatures) -> Self {
        Self::read(SHIPPED.as_bytes(), signatures).expect("a test reads the file that is built in")
    }

    /// Reads a model file for the signatures loaded. A signature that the file does not know keeps its prior, capped so
    /// that it does not suffice alone unless it is decisive; one that is not loaded is passed over.
    ///
    /// # Errors
    ///
    /// A file that is too large, of another format, or with a weight that is out of bounds or of no feature.
    pub fn read(bytes: &[u8], signatures: &Signatures) -> Result<Self, ModelError> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(ModelError::Size(bytes.len()));
        }
        Self::from_file(&serde_json::from_slice(bytes)?, signatures)
    }

    /// As [`read`](Self::read), from a file already parsed.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn from_file(file: &ModelFile, signatures: &Signatures) -> Result<Self, ModelError> {
        if file.format != FORMAT {
            return Err(ModelError::Format(file.format));
        }
        let single = [
            ("quiet", file.quiet),
            ("bias", file.bias),
            ("evidence", file.evidence),
            ("alone", file.alone),
        ];
        for (name, value) in single.into_iter().chain([("grams.step", file.grams.step)]) {
            bounded(name, value)?;
        }
        if file.evidence > file.alone {
            return Err(ModelError::Thresholds { evidence: file.evidence, alone: file.alone });
        }
        for (sum, added) in &file.bend {
            bounded("bend", *sum)?;
            bounded("bend", *added)?;
        }
        let bend = Bend::new(&file.bend).ok_or(ModelError::Bend)?;
        let alone_sum = bend.sum_of(file.alone);
        let mut weights = vec![0.0; END as usize];
        let known: HashMap<String, u32> =
            (1..SIGNATURE_BASE).map(|at| (features::name(Feature(at), signatures), at)).collect();
        for (name, weight) in &file.features {
            let at = known.get(name).ok_or_else(|| ModelError::Feature(name.clone()))?;
            weights[*at as usize] = bounded(name, *weight)?;
        }
        for (at, found) in signatures.iter().enumerate() {
            let weight = match file.signatures.get(&found.id) {
                Some(deviation) => (found.prior + bounded(&found.id, *deviation)?).max(0.0),
                None if found.request.is_some() => found.prior_within(file.alone - file.quiet),
                None => found.prior_within(alone_sum - file.bias),
            };
            weights[features::signature(at).0 as usize] = weight;
        }
        file.grams.unpack(|slot, weight| weights[(GRAM_BASE + slot) as usize] = weight)?;
        weights[BIAS.0 as usize] = file.bias;
        let learnt = |found: &Signature| file.signatures.contains_key(&found.id);
        Ok(Self {
            weights,
            reaches: signatures.iter().map(|found| Reach::of(found, learnt(found))).collect(),
            held: alone_sum - HELD_BELOW,
            identity: Identity::new(),
            quiet: file.quiet,
            bias: file.bias,
            bend,
            evidence: file.evidence,
            alone: file.alone,
            without_model: false,
        })
    }

    /// What one unit of `feature` adds to the LLR.
    pub fn weight(&self, feature: Feature) -> f32 {
        let weight = self.weights.get(feature.0 as usize).copied();
        weight.unwrap_or_else(|| if feature == HELD { 1.0 } else { 0.0 })
    }

    /// Whether a value without structure may suffice alone in which the signatures at these positions hit.
    pub(crate) fn may_suffice(&self, positions: &[u16]) -> bool {
        let reach = |at: &u16| self.reaches.get(usize::from(*at)).copied().unwrap_or(Reach::Alone);
        match positions {
            [] => true,
            [one] => reach(one) == Reach::Alone,
            all => all.iter().any(|at| reach(at) != Reach::Evidence),
        }
    }

    /// The LLR of a value that is not quiet, given what its features add up to.
    pub fn llr(&self, sum: f32) -> f32 {
        sum + self.bend.added(sum)
    }

    /// Probability of an attack, given the LLR and how likely one is beforehand.
    pub fn probability(&self, llr: f32, prior_pi: f64) -> f64 {
        let logit = f64::from(llr) + (prior_pi / (1.0 - prior_pi)).ln();
        1.0 / (1.0 + (-logit).exp())
    }
}

fn bounded(name: &str, value: f32) -> Result<f32, ModelError> {
    if value.abs() <= WEIGHT_MAX {
        Ok(value)
    } else {
        Err(ModelError::Value { name: name.to_owned(), value })
    }
}
