//! What becomes of the rule packs, model and exceptions of an installation: the last of each that was good stays in
//! force. Data in, data out.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};

use detect::Detector;
use detect::detector::PI;
use detect::golden;
use detect::model::Model;
use detect::signatures::signing::{PackKey, verify};
use detect::signatures::{Except, Exceptions, Signatures, packs};

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
    /// Takes over whatever of `found` is good; answers the detector that all of it makes, and what was refused.
    pub fn take(&mut self, found: &Found, keys: &[PackKey]) -> (Detector, Vec<Refused>) {
        let mut refused = Vec::new();
        match &found.packs {
            None => {}
            Some(Err(why)) => refused.push(refusal("the packs", why)),
            Some(Ok(packs)) => self.take_packs(packs, keys, &mut refused),
        }
        let signatures = self.compile(&mut refused);
        let model = Model::shipped(&signatures);
        let mut detector = Detector { pi: PI, ..Detector::new(signatures, model) };
        self.take_model(found, &mut detector, &mut refused);
        match &found.exceptions {
            None => {}
            Some(Err(why)) => refused.push(refusal("the exceptions", why)),
            Some(Ok(bytes)) => match exceptions(bytes) {
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

    fn take_packs(
        &mut self,
        packs: &BTreeMap<String, Read>,
        keys: &[PackKey],
        refused: &mut Vec<Refused>,
    ) {
        self.packs.retain(|name, _| packs.contains_key(name));
        for (name, read) in packs {
            match good_pack(name, read, keys) {
                Ok(text) => drop(self.packs.insert(name.clone(), text)),
                Err(why) => refused.push(Refused { file: name.clone(), why }),
            }
        }
    }

    /// All packs together. Where they do not go together, as by an id that stands in two, the later by name stays out.
    fn compile(&mut self, refused: &mut Vec<Refused>) -> Signatures {
        loop {
            let own = self.packs.iter().map(|(name, text)| (name.as_str(), text.as_str()));
            match Signatures::parse(packs().iter().copied().chain(own)) {
                Ok(signatures) => return signatures,
                Err(error) => {
                    let Some((name, _)) = self.packs.pop_last() else {
                        unreachable!("a test compiles the packs that are built in: {error}")
                    };
                    refused.push(Refused { file: name, why: error.to_string() });
                }
            }
        }
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

fn exceptions(bytes: &[u8]) -> Result<Vec<Except>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Except::parse(text)
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
