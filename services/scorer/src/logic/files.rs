//! What becomes of the rule packs, model and exceptions of an installation: the last of each that was good stays in
//! force. Data in, data out.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};

use detect::Detector;
use detect::detector::PI;
use detect::golden;
use detect::model::Model;
use detect::signatures::signing::{PackKey, verify};
use detect::signatures::{self, Except, Exceptions, PackError, Signatures};
use schemas::Millis;

use crate::logic::content::foreign_categories;

/// Most packs beside the built-in ones.
pub const PACKS_MAX: usize = 64;

/// The files as they were read. Absent is what was not configured; what could not be read is an error, and is not
/// taken for removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub packs: Option<Result<BTreeMap<String, Read>, String>>,
    pub model: Option<Result<Vec<u8>, String>>,
    pub exceptions: Option<Result<Vec<u8>, String>>,
}

/// A pack and its detached signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub pack: Vec<u8>,
    pub signature: Vec<u8>,
}

/// A file that is not in force as it stands, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub file: String,
    pub why: String,
}

/// The last good of every file.
#[derive(Debug, Clone, Default)]
pub struct Good {
    packs: BTreeMap<String, String>,
    model: Option<Vec<u8>>,
    exceptions: Vec<Except>,
}

impl Good {
    /// Takes over whatever of `found` is good at `now`; answers the detector that all of it makes, and what was refused.
    pub fn take(
        &mut self,
        found: &Found,
        keys: &[PackKey],
        now: Millis,
    ) -> (Detector, Vec<Refused>) {
        let mut refused = Vec::new();
        let signatures = match &found.packs {
            None => self.compiled(),
            Some(Err(why)) => {
                refused.push(refusal("the packs", why));
                self.compiled()
            }
            Some(Ok(packs)) => self.take_packs(packs, keys, &mut refused),
        };
        let model = Model::shipped(&signatures);
        let mut detector = Detector { pi: PI, ..Detector::new(signatures, model) };
        self.take_model(found, &mut detector, &mut refused);
        match &found.exceptions {
            None => {}
            Some(Err(why)) => refused.push(refusal("the exceptions", why)),
            Some(Ok(bytes)) => match exceptions(bytes, now) {
                Ok(list) => self.exceptions = list,
                Err(why) => refused.push(refusal("the exceptions", &why)),
            },
        }
        detector.exceptions = Exceptions::new(self.exceptions.clone()).unwrap_or_default();
        (detector, refused)
    }

    /// As [`take`](Self::take); a defect of ours that a file brings to light costs that look alone, and all that was
    /// good stays as it was.
    pub fn take_safely(
        &mut self,
        take: impl FnOnce(&mut Good) -> (Detector, Vec<Refused>),
    ) -> Result<(Detector, Vec<Refused>), Refused> {
        let mut next = self.clone();
        let taken = panic::catch_unwind(AssertUnwindSafe(|| {
            let taken = take(&mut next);
            (taken, next)
        }));
        match taken {
            Ok((taken, next)) => {
                *self = next;
                Ok(taken)
            }
            Err(_) => Err(refusal(
                "all files",
                "reading them failed inside the scorer, which is a defect of ours: please report it with the files",
            )),
        }
    }

    /// Takes over every pack that is good and goes together with all others; answers them compiled.
    fn take_packs(
        &mut self,
        packs: &BTreeMap<String, Read>,
        keys: &[PackKey],
        refused: &mut Vec<Refused>,
    ) -> Signatures {
        self.packs.retain(|name, _| packs.contains_key(name));
        let mut changed = BTreeMap::new();
        for (name, read) in packs {
            match good_pack(name, read, keys) {
                Ok(text) if self.packs.get(name) == Some(&text) => {}
                Ok(text) => drop(changed.insert(name.clone(), text)),
                Err(why) => refused.push(Refused { file: name.clone(), why }),
            }
        }
        let mut all = self.packs.clone();
        all.extend(changed.clone());
        if let Ok(signatures) = compile(&all, None) {
            self.packs = all;
            return signatures;
        }
        self.take_one_by_one(changed, refused);
        self.compiled()
    }

    /// Takes in each of `changed` beside all that are good until then. One that does not go together with them, as by
    /// an id that stands in two, is refused alone: what it was before stays in force.
    fn take_one_by_one(
        &mut self,
        mut changed: BTreeMap<String, String>,
        refused: &mut Vec<Refused>,
    ) {
        // One taken in later may make room for one that was tried before, as where ids move from pack to pack. Every
        // round but the last takes one in, so there are no more rounds than packs, and one.
        loop {
            let (before, mut errors) = (changed.len(), Vec::new());
            for (name, text) in std::mem::take(&mut changed) {
                match compile(&self.packs, Some((name.as_str(), text.as_str()))) {
                    Ok(_) => drop(self.packs.insert(name, text)),
                    Err(error) => {
                        errors.push(Refused { file: name.clone(), why: error.to_string() });
                        changed.insert(name, text);
                    }
                }
            }
            if changed.len() == before {
                return refused.append(&mut errors);
            }
        }
    }

    /// All packs in force.
    fn compiled(&self) -> Signatures {
        compile(&self.packs, None)
            .expect("a pack is in force only if it compiled together with all others")
    }

    /// Has `detector` weigh by the model found, if that is one and gets the golden set right; else by the last good.
    fn take_model(&mut self, found: &Found, detector: &mut Detector, refused: &mut Vec<Refused>) {
        let read = |bytes: &[u8], signatures: &Signatures| {
            Model::read(bytes, signatures).map_err(|error| error.to_string())
        };
        if let Some(last) = &self.model
            && let Ok(model) = read(last, &detector.signatures)
        {
            detector.model = model;
        }
        match &found.model {
            None => {}
            Some(Err(why)) => refused.push(refusal("the model", why)),
            Some(Ok(bytes)) if self.model.as_ref() == Some(bytes) => {}
            Some(Ok(bytes)) => {
                let taken = read(bytes, &detector.signatures).and_then(|model| {
                    let before = std::mem::replace(&mut detector.model, model);
                    match golden::wrong(detector) {
                        None => Ok(()),
                        Some(why) => {
                            detector.model = before;
                            Err(why)
                        }
                    }
                });
                match taken {
                    Ok(()) => self.model = Some(bytes.clone()),
                    Err(why) => refused.push(refusal("the model", &why)),
                }
            }
        }
    }
}

/// The built-in packs and `packs`, and last the one that is tried in place of what `packs` has of it: an error names
/// what comes later.
fn compile(
    packs: &BTreeMap<String, String>,
    tried: Option<(&str, &str)>,
) -> Result<Signatures, PackError> {
    let others = packs.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let others = others.filter(|(name, _)| tried.is_none_or(|(tried, _)| tried != *name));
    Signatures::parse(signatures::packs().iter().copied().chain(others).chain(tried))
}

/// The text of a pack that is signed, compiles by itself, and hits and misses what it says it does.
fn good_pack(name: &str, read: &Read, keys: &[PackKey]) -> Result<String, String> {
    let text = verify(name, &read.pack, &read.signature, keys).map_err(|why| why.to_string())?;
    let alone = Signatures::parse([(name, text)]).map_err(|why| why.to_string())?;
    if alone.is_empty() {
        return Err(
            "it holds no signature; remove the file to take its rules out of force".to_owned()
        );
    }
    if let Some(failure) = foreign_categories(&alone).into_iter().chain(alone.check()).next() {
        return Err(failure);
    }
    match golden::false_alarm(alone) {
        None => Ok(text.to_owned()),
        Some(request) => Err(format!("it takes an ordinary request for an attack: {request}")),
    }
}

/// The exceptions of a file, each of which ends soon enough after `now`.
fn exceptions(bytes: &[u8], now: Millis) -> Result<Vec<Except>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let list = Except::parse(text)?;
    let now = u64::try_from(now).unwrap_or(0);
    list.iter().try_for_each(|except| except.check_until(now))?;
    Ok(list)
}

fn refusal(file: &str, why: &str) -> Refused {
    Refused { file: file.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_while_files_are_read_leaves_all_as_it_was() {
        let model = Some(vec![1]);
        let mut good = Good { model: model.clone(), ..Good::default() };
        let outcome = good.take_safely(|next| {
            next.model = None;
            panic!("a defect");
        });
        assert!(outcome.is_err_and(|refused| refused.why.contains("a defect of ours")));
        assert_eq!(good.model, model);
    }
}
