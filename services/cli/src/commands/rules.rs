//! `perimeter rules`: the signatures that requests are read with, tried, excepted and asked about.

use detect::evidence::meaning;
use detect::features::{self, Feature};
use detect::signatures::{Except, Exceptions, Signature, Signatures, Whole, packs};
use detect::{Detector, Reader};
use scorer::logic::content::foreign_categories;
use serde_json::{Value, json};

use super::explain_request::{excepted, number, percent, place};
use super::show::{self, word};
use crate::args::{Rules, RulesExcept, RulesExplain, RulesList, RulesTest, RulesWhyNot};
use crate::exceptions;
use crate::failure::{Failure, Outcome};
use crate::output::{Cell, Printer, Tone, cell};
use crate::weighing;

pub(crate) fn run(rules: &Rules, printer: &Printer) -> Outcome {
    match rules {
        Rules::List(arguments) => list(arguments, printer),
        Rules::Explain(arguments) => explain(arguments, printer),
        Rules::Test(arguments) => test(arguments, printer),
        Rules::Except(arguments) => except(arguments, printer),
        Rules::WhyNot(arguments) => why_not(arguments, printer),
    }
}

fn list(arguments: &RulesList, printer: &Printer) -> Outcome {
    let detector = weighing::detector(&arguments.inputs, None, printer)?;
    if arguments.flags {
        return flags(&detector, printer);
    }
    if printer.json() {
        let all = detector.signatures.iter().enumerate();
        for (at, signature) in all {
            printer.json_line(&document(&detector, at, signature))?;
        }
        return Ok(());
    }
    let rows: Vec<Vec<Cell>> = detector
        .signatures
        .iter()
        .enumerate()
        .map(|(at, signature)| {
            vec![
                cell(&signature.id),
                cell(&signature.category),
                cell(word(signature.severity)),
                cell(format!("{:+.2}", detector.model.weight(features::signature(at)))),
                cell(&signature.pack),
                cell(&signature.explanation),
            ]
        })
        .collect();
    Ok(printer.table(&["id", "category", "severity", "adds", "pack", "what it means"], &rows)?)
}

/// Structure flags and marks that have a name.
fn named(signatures: &Signatures) -> impl Iterator<Item = (Feature, String)> {
    (features::MARK_BASE..features::LEXICAL_BASE)
        .map(move |at| (Feature(at), features::name(Feature(at), signatures)))
        .filter(|(_, name)| !name.ends_with(|last: char| last.is_ascii_digit()) || unnumbered(name))
}

/// Whether the part after the kind is a name: a bit that has none is called by its number.
fn unnumbered(name: &str) -> bool {
    name.split_once('.').is_none_or(|(_, rest)| rest.parse::<u32>().is_err())
}

fn flags(detector: &Detector, printer: &Printer) -> Outcome {
    let mut rows = Vec::new();
    for (feature, id) in named(&detector.signatures) {
        let weight = detector.model.weight(feature);
        if printer.json() {
            printer.json_line(
                &json!({ "id": id, "meaning": meaning(&id), "weight": number(weight) }),
            )?;
        }
        let told = meaning(&id);
        rows.push(vec![cell(id), cell(format!("{weight:+.2}")), cell(told)]);
    }
    if printer.json() {
        return Ok(());
    }
    Ok(printer.table(&["flag", "adds", "what it means"], &rows)?)
}

fn document(detector: &Detector, at: usize, signature: &Signature) -> Value {
    json!({
        "id": signature.id,
        "pack": signature.pack,
        "category": signature.category,
        "severity": signature.severity,
        "cwe": signature.cwe,
        "attack": signature.attack,
        "places": signature.looks_at(),
        "view": signature.view,
        "needs": signature.needs,
        "pattern": signature.pattern,
        "flags": flags_of(detector, signature),
        "request": signature.request,
        "prior": number(signature.prior),
        "weight": number(detector.model.weight(features::signature(at))),
        "decisive": signature.decisive,
        "asks": signature.asks,
        "explanation": signature.explanation,
        "hits": signature.hits,
        "misses": signature.misses,
    })
}

fn flags_of(detector: &Detector, signature: &Signature) -> Vec<String> {
    let mut names = Vec::new();
    let wanted = &signature.flags;
    for (base, mask) in [
        (features::MARK_BASE, wanted.marks),
        (features::SQL_BASE, wanted.sql),
        (features::SHELL_BASE, wanted.shell),
        (features::MARKUP_BASE, wanted.markup),
    ] {
        features::bits(base, mask, |flag| names.push(features::name(flag, &detector.signatures)));
    }
    names
}

fn explain(arguments: &RulesExplain, printer: &Printer) -> Outcome {
    let detector = weighing::detector(&arguments.inputs, None, printer)?;
    let id = &arguments.id;
    let Some(at) = detector.signatures.position(id) else {
        let flag = named(&detector.signatures).find(|(_, name)| name == id);
        let (feature, _) = flag.ok_or_else(|| unknown(&detector.signatures, id))?;
        let weight = detector.model.weight(feature);
        if printer.json() {
            let told = json!({ "id": id, "meaning": meaning(id), "weight": number(weight) });
            return Ok(printer.document(&told)?);
        }
        let told = vec![vec![cell(id), cell(format!("{weight:+.2}")), cell(meaning(id))]];
        return Ok(printer.table(&["flag", "adds", "what it means"], &told)?);
    };
    let signature = detector.signatures.get(at).ok_or_else(|| unknown(&detector.signatures, id))?;
    if printer.json() {
        return Ok(printer.document(&document(&detector, at, signature))?);
    }
    let weight = detector.model.weight(features::signature(at));
    let how = match (detector.model.without_model, signature.decisive) {
        _ if signature.request.is_some() => "to whatever else is found; nothing is learnt about it",
        (true, true) => "as believed before anything was learnt; it may suffice alone",
        (true, false) => "as believed before anything was learnt",
        (false, _) => "as the model says",
    };
    // What looks at no value reads no view of one.
    let view = signature.request.as_ref().map_or_else(|| word(signature.view), |_| "-".to_owned());
    let flags = flags_of(&detector, signature);
    let listed = |list: &[String]| match list {
        [] => "-".to_owned(),
        // The lines of a request.
        list => list.join("  ").replace('\n', " / "),
    };
    let request = signature.request.as_ref().map_or_else(|| "-".to_owned(), told);
    let asks = if signature.asks { "a plain question to a database hits too" } else { "-" };
    let rows: Vec<Vec<Cell>> = [
        ("means", signature.explanation.clone()),
        ("category", signature.category.clone()),
        ("severity", word(signature.severity)),
        ("CWE, ATT&CK", format!("{}, {}", signature.cwe, signature.attack)),
        ("adds", format!("{weight:+.2} {how}; its pack says {:+.2}", signature.prior)),
        ("looks at", signature.looks_at().join(" ")),
        ("as", view),
        ("needs", listed(&signature.needs)),
        ("pattern", signature.pattern.clone().unwrap_or_else(|| "-".to_owned())),
        ("flags", listed(&flags)),
        ("asks", asks.to_owned()),
        ("request", request),
        ("hits", listed(&signature.hits)),
        ("misses", listed(&signature.misses)),
        ("pack", signature.pack.clone()),
    ]
    .into_iter()
    .map(|(name, told)| vec![Cell(name.to_owned(), Tone::Faint), cell(told)])
    .collect();
    printer.line(id)?;
    Ok(printer.table(&["", ""], &rows)?)
}

/// What a signature asks of the request as a whole, in one line.
fn told(whole: &Whole) -> String {
    let mut parts = Vec::new();
    if !whole.methods.is_empty() {
        parts.push(format!("method {}", whole.methods.join(" or ")));
    }
    parts.extend(whole.target.as_ref().map(|pattern| format!("target like {pattern}")));
    parts.extend(whole.body.as_ref().map(|pattern| format!("body like {pattern}")));
    parts.extend(whole.lookalike.as_ref().map(|names| {
        format!("a parameter like {names} with an address of a host that is called like its own")
    }));
    parts.extend(whole.headers.iter().map(|name| format!("header {name}")));
    parts.extend(whole.differing.iter().map(|name| format!("header {name} twice, differing")));
    parts.extend(whole.values.iter().map(|(name, pattern)| format!("{name} like {pattern}")));
    parts.join("; ")
}

/// That no signature is called so, and which ones are called like it.
fn unknown(signatures: &Signatures, id: &str) -> Failure {
    let family = id.split('.').next().unwrap_or(id);
    let like: Vec<&str> = signatures
        .iter()
        .map(|signature| signature.id.as_str())
        .filter(|known| !family.is_empty() && known.starts_with(family))
        .take(5)
        .collect();
    let hint = match like.is_empty() {
        true => String::new(),
        false => format!(", but {} are", like.join(", ")),
    };
    Failure::Configuration(format!(
        "no signature is called {id}{hint}; `perimeter rules list` has all, and --pack adds a pack of your own"
    ))
}

fn test(arguments: &RulesTest, printer: &Printer) -> Outcome {
    let own = weighing::own_packs(&arguments.files, &arguments.keys, printer)?;
    // Together with the built-in ones: an id may stand only once in all.
    let all = weighing::signatures(&own)?;
    let tried: Vec<&str> = match own.is_empty() {
        true => packs().iter().map(|(name, _)| *name).collect(),
        false => own.iter().map(|pack| pack.name.as_str()).collect(),
    };
    let failures = [foreign_categories(&all), all.check()].concat();
    let mut failed = 0;
    for pack in tried {
        let of = all.iter().filter(|signature| signature.pack == pack);
        let (count, examples) = of.fold((0, 0), |(count, examples), one| {
            (count + 1, examples + one.hits.len() + one.misses.len())
        });
        let prefix = format!("{pack}: ");
        let wrong: Vec<&str> =
            failures.iter().filter_map(|failure| failure.strip_prefix(&prefix)).collect();
        failed += wrong.len();
        if printer.json() {
            printer.json_line(&json!({
                "pack": pack, "signatures": count, "examples": examples, "failures": wrong,
            }))?;
            continue;
        }
        let (tone, told) = match wrong.len() {
            0 => (Tone::Good, "as they should".to_owned()),
            count => (Tone::Bad, format!("{count} not as they should")),
        };
        printer.row(&[
            cell(pack),
            cell(format!("{count} signature(s), {examples} example(s)")),
            Cell(told, tone),
        ])?;
        for failure in wrong {
            printer.row(&[cell(""), cell(failure)])?;
        }
    }
    match failed {
        0 => Ok(()),
        count => Err(Failure::Findings(format!(
            "{count} example(s) are not as they should be, see above"
        ))),
    }
}

fn except(arguments: &RulesExcept, printer: &Printer) -> Outcome {
    let own = weighing::own_packs(&arguments.inputs.packs, &arguments.inputs.keys, printer)?;
    let signatures = weighing::signatures(&own)?;
    if signatures.position(&arguments.signature).is_none() {
        return Err(unknown(&signatures, &arguments.signature));
    }
    let now = u64::try_from(show::now()).unwrap_or(0);
    let except = Except {
        signature: arguments.signature.clone(),
        route: arguments.route.clone(),
        parameter: arguments.param.clone(),
        until: exceptions::until(&arguments.until, now)?,
        reason: arguments.reason.clone(),
    };
    except.check().map_err(Failure::Configuration)?;
    let count = exceptions::put(&arguments.file, except.clone(), now)?;
    if printer.json() {
        return Ok(printer.document(&json!({
            "file": arguments.file.display().to_string(), "exception": except, "in_force": count,
        }))?);
    }
    printer.line(&format!("{} is {}", except.signature, excepted(&except)))?;
    Ok(printer.line(&format!("{}: {count} exception(s) in force", arguments.file.display()))?)
}

fn why_not(arguments: &RulesWhyNot, printer: &Printer) -> Outcome {
    let mut detector = weighing::detector(&arguments.inputs, Some(&arguments.exceptions), printer)?;
    let request = weighing::request(&arguments.request, arguments.id.as_deref())?;
    let now = u64::try_from(show::now()).unwrap_or(0);
    let mut reader = Reader::default();
    let found = request.lend(|request| detector.why_not(&mut reader, request, now));
    // The same request by a detector that has never heard of an exception: the proof does not rest on the code that hides.
    detector.exceptions = Exceptions::default();
    let bare = request.lend(|request| detector.score(&mut reader, request)).llr;
    let side = |llr: f32| {
        let attack = llr >= detector.model.evidence;
        let probability = detector.model.probability(llr, detector.pi);
        (if attack { "attack" } else { "benign" }, probability)
    };
    let (with, without) = (side(found.llr), side(bare));
    if printer.json() {
        let told = |llr: f32, (label, probability): (&str, f64)| json!({ "label": label, "probability": probability, "llr": number(llr) });
        let hidden = found.hidden.iter().map(|hidden| {
            let evidence = &hidden.evidence;
            json!({
                "signature": evidence.id, "place": evidence.place, "name": evidence.name,
                "value": evidence.value, "weight": number(evidence.weight), "exception": hidden.exception,
            })
        });
        return Ok(printer.document(&json!({
            "with_exceptions": told(found.llr, with),
            "without_exceptions": told(bare, without),
            "hidden": hidden.collect::<Vec<_>>(),
        }))?);
    }
    let row = |name: &str, llr: f32, (label, probability): (&str, f64)| {
        let tone = if label == "attack" { Tone::Bad } else { Tone::Good };
        vec![
            cell(name),
            Cell(label.to_owned(), tone),
            cell(percent(probability)),
            cell(format!("{llr:+.2}")),
        ]
    };
    printer.table(
        &["", "label", "probability", "LLR"],
        &[row("with the exceptions", found.llr, with), row("if there were none", bare, without)],
    )?;
    printer.line("")?;
    for hidden in &found.hidden {
        let evidence = &hidden.evidence;
        let at = place(evidence.place, &evidence.name);
        printer.line(&format!(
            "hidden: {} at {at}, {:+.2}, {}",
            evidence.id,
            evidence.weight,
            excepted(&hidden.exception)
        ))?;
        printer.row(&[cell(""), cell(format!("seen: {}", evidence.value))])?;
    }
    if found.hidden.is_empty() {
        printer.line("nothing in this request is hidden by an exception in force")?;
    }
    Ok(())
}
