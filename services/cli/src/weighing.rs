//! The detector as the flags ask for it: packs, model, exceptions, and the request to look at.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use detect::detector::PI;
use detect::model::{FILE_BYTES_MAX, Model};
use detect::signatures::signing::{PackKey, verify};
use detect::signatures::{Exceptions, Signatures, packs};
use detect::{Detector, signatures::pack::PACK_BYTES_MAX};

use crate::args::Inputs;
use crate::commands::show;
use crate::exceptions;
use crate::failure::Failure;
use crate::input::STANDARD_INPUT;
use crate::output::Printer;
use crate::request::{REQUEST_BYTES_MAX, Recorded};

/// How a public ed25519 key begins as RFC 8410 wraps it.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// A pack of the user's own, its text believed.
pub(crate) struct Pack {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The detector that `inputs` describe, with the exceptions of a file.
pub(crate) fn detector(
    inputs: &Inputs,
    exceptions: Option<&Path>,
    printer: &Printer,
) -> Result<Detector, Failure> {
    let own = own_packs(&inputs.packs, &inputs.keys, printer)?;
    let mut detector = with_model(signatures(&own)?, inputs.model.as_deref())?;
    detector.pi = inputs.pi.unwrap_or(PI);
    if let Some(file) = exceptions {
        let list = exceptions::read(file)?;
        let now = u64::try_from(show::now()).unwrap_or(0);
        for except in &list {
            if let Err(why) = except.check_until(now) {
                let file = file.display();
                printer.note(&format!("{file}: {why}; a scorer refuses the whole file"))?;
            }
            if detector.signatures.position(&except.signature).is_none() {
                printer.note(&format!(
                    "{}: no signature is called {}, so its exception hides nothing",
                    file.display(),
                    except.signature
                ))?;
            }
        }
        detector.exceptions = Exceptions::new(list)
            .map_err(|why| Failure::Configuration(format!("{}: {why}", file.display())))?;
    }
    Ok(detector)
}

/// The signatures with the model of a file, or the one that is shipped.
pub(crate) fn with_model(
    signatures: Signatures,
    model: Option<&Path>,
) -> Result<Detector, Failure> {
    let model = match model {
        Some(file) => {
            let bytes = bytes(file, FILE_BYTES_MAX + 1)?;
            Model::read(&bytes, &signatures)
                .map_err(|error| Failure::Configuration(format!("{}: {error}", file.display())))?
        }
        None => Model::shipped(&signatures),
    };
    Ok(Detector::new(signatures, model))
}

/// The built-in packs and these, compiled together.
pub(crate) fn signatures(own: &[Pack]) -> Result<Signatures, Failure> {
    let own = own.iter().map(|pack| (pack.name.as_str(), pack.text.as_str()));
    Signatures::parse(packs().iter().copied().chain(own))
        .map_err(|error| Failure::Configuration(error.to_string()))
}

/// Reads packs. With keys each must be signed in a file beside it; without, that nobody signed it is said.
pub(crate) fn own_packs(
    files: &[impl AsRef<Path>],
    keys: &[String],
    printer: &Printer,
) -> Result<Vec<Pack>, Failure> {
    let keys = keys.iter().map(|key| self::key(key)).collect::<Result<Vec<_>, _>>()?;
    let mut packs = Vec::new();
    for file in files.iter().map(AsRef::as_ref) {
        let name = file.display().to_string();
        let bytes = bytes(file, PACK_BYTES_MAX + 1)?;
        let wrong =
            |error: detect::signatures::PackError| Failure::Configuration(error.to_string());
        let text = if keys.is_empty() {
            printer.note(&format!("{name} is read unsigned; a service reads signed packs only"))?;
            String::from_utf8(bytes)
                .map_err(|_| Failure::Configuration(format!("{name}: it is not UTF-8")))?
        } else {
            let signature = self::bytes(&file.with_added_extension("sig"), PACK_BYTES_MAX)?;
            verify(&name, &bytes, &signature, &keys).map_err(wrong)?.to_owned()
        };
        packs.push(Pack { name, text });
    }
    Ok(packs)
}

/// A public key: a PEM file as openssl writes it, or 32 bytes in base64, themselves or in a file.
fn key(given: &str) -> Result<PackKey, Failure> {
    let text = match bytes(Path::new(given), REQUEST_BYTES_MAX) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => given.to_owned(),
    };
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let bare: String =
        lines.flat_map(str::chars).filter(|letter| !letter.is_whitespace()).collect();
    let bytes = STANDARD.decode(&bare).unwrap_or_default();
    let bare = match bytes.strip_prefix(&SPKI) {
        Some(key) => STANDARD.encode(key),
        None => bare,
    };
    PackKey::parse(&bare).map_err(|why| {
        Failure::Configuration(format!("--key {given}: {why}, or a PEM file with it"))
    })
}

/// The request of a file or of standard input: a row of JSON, the one called `id` where one is asked for, or HTTP.
pub(crate) fn request(file: &str, id: Option<&str>) -> Result<Recorded, Failure> {
    let bytes = if file == STANDARD_INPUT {
        limited(std::io::stdin(), "standard input", REQUEST_BYTES_MAX + 1)?
    } else {
        bytes(Path::new(file), REQUEST_BYTES_MAX + 1)?
    };
    if bytes.len() > REQUEST_BYTES_MAX {
        return Err(Failure::Error(format!(
            "{file} has more than the {REQUEST_BYTES_MAX} bytes of a request"
        )));
    }
    let wrong = |problem: String| Failure::Error(format!("{file}: {problem}"));
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return match id {
            None => Recorded::http(&bytes).map_err(wrong),
            Some(_) => Err(wrong("--id picks a row of JSON, and this is none".to_owned())),
        };
    }
    let rows = bytes.split(|byte| *byte == b'\n').enumerate();
    let mut rows = rows.filter(|(_, row)| !row.trim_ascii().is_empty()).map(|(at, row)| {
        Recorded::row(row).map_err(|problem| wrong(format!("line {}: {problem}", at + 1)))
    });
    let Some(id) = id else {
        let first = rows.next().unwrap_or_else(|| Err(wrong("there is no request".to_owned())))?;
        return match rows.next() {
            None => Ok(first),
            Some(_) => Err(wrong("there is more than one row; pick one with --id".to_owned())),
        };
    };
    let called = |request: &Recorded| match &request.id {
        serde_json::Value::String(text) => text == id,
        other => serde_json::to_string(other).is_ok_and(|text| text == id),
    };
    // A row that cannot be read is the matter of whoever asks for it.
    rows.flatten()
        .find(called)
        .ok_or_else(|| wrong(format!("no row that can be read has the id {id}")))
}

/// At most `most` bytes of a file.
pub(crate) fn bytes(file: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let name = file.display().to_string();
    let open = File::open(file)
        .map_err(|error| Failure::Error(format!("could not read {name}: {error}")))?;
    limited(open, &name, most)
}

fn limited(reader: impl std::io::Read, name: &str, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    reader
        .take(most as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::Error(format!("could not read {name}: {error}")))?;
    Ok(bytes)
}
