//! The file of exceptions: what is hidden where, until when, and why.

use std::io::Write as _;
use std::path::Path;

use detect::signatures::Except;
use detect::signatures::except::DAYS_MAX;
use serde::Serialize;

use crate::commands::show;
use crate::failure::Failure;
use crate::weighing::bytes;

const FILE_BYTES_MAX: usize = 1024 * 1024;
const DAY_MS: u64 = 86_400_000;
const HEAD: &str =
    "# Written by `perimeter rules except`; `until` is in milliseconds since 1970, UTC.\n";

#[derive(Serialize)]
struct Form {
    except: Vec<Except>,
}

/// The exceptions of a file, those that ended too.
pub(crate) fn read(file: &Path) -> Result<Vec<Except>, Failure> {
    let name = file.display();
    let bytes = bytes(file, FILE_BYTES_MAX + 1)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Failure::Configuration(format!(
            "{name} has more than the {FILE_BYTES_MAX} bytes of a file of exceptions"
        )));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::Configuration(format!("{name} is not UTF-8")))?;
    Except::parse(&text).map_err(|why| Failure::Configuration(format!("{name}: {why}")))
}

/// Puts `except` in force in a file, in place of one for the same signature, route and parameter; those that ended
/// before `now` are left out. Where another ends too late, a scorer would refuse the whole file, so nothing is written.
/// The file is replaced as a whole. Answers how many stand in it.
pub(crate) fn put(file: &Path, except: Except, now: u64) -> Result<usize, Failure> {
    let mut list = if file.exists() { read(file)? } else { Vec::new() };
    let same = |known: &Except| {
        (&known.signature, &known.route, &known.parameter)
            == (&except.signature, &except.route, &except.parameter)
    };
    list.retain(|known| known.until > now && !same(known));
    list.push(except);
    list.iter()
        .try_for_each(|except| except.check_until(now))
        .map_err(|why| Failure::Configuration(format!("{}: {why}", file.display())))?;
    let mut text = HEAD.to_owned();
    for except in &list {
        let until = i64::try_from(except.until).unwrap_or(i64::MAX);
        text += &format!("\n# until {}\n", show::time(until));
        let one = Form { except: vec![except.clone()] };
        text += &toml::to_string(&one).map_err(|error| Failure::Error(error.to_string()))?;
    }
    replace(file, text.as_bytes())?;
    Ok(list.len())
}

/// Writes a file beside and renames it, so that a reader sees the old or the new one, whole.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fresh = file.with_added_extension("new");
    let write = || -> std::io::Result<()> {
        let mut out = std::fs::File::create(&fresh)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        std::fs::rename(&fresh, file)
    };
    write().map_err(|error| Failure::Error(format!("could not write {}: {error}", file.display())))
}

/// When an exception ends: a date, a time in UTC, or a duration from `now`. Refused in the past and after 90 days.
pub(crate) fn until(text: &str, now: u64) -> Result<u64, Failure> {
    let wrong = |why: &str| Err(Failure::Configuration(format!("--until {text}: {why}")));
    let at = match (moment(text), crate::duration::parse(text)) {
        (Some(at), _) => at,
        (None, Ok(lasts)) => now.saturating_add(u64::try_from(lasts).unwrap_or(0)),
        (None, Err(_)) => {
            return wrong(
                "write a date as 2026-12-31, a time as 2026-12-31T18:00Z, or 14d from now",
            );
        }
    };
    if at <= now {
        return wrong("it has passed; an exception ends in the future");
    }
    if at - now > DAYS_MAX * DAY_MS {
        return wrong(
            "it is more than 90 days ahead; look at it again by then, and renew it if it is still right",
        );
    }
    Ok(at)
}

/// `2026-12-31`, with `T18:00Z` or `T18:00:00Z` behind it or not, in milliseconds.
fn moment(text: &str) -> Option<u64> {
    let (date, time) = match text.strip_suffix('Z') {
        Some(text) => text.split_once(['T', ' '])?,
        None => (text, "00:00"),
    };
    let number = |text: &str, digits: usize| {
        let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let mut date = date.splitn(3, '-');
    let (year, month, day) =
        (number(date.next()?, 4)?, number(date.next()?, 2)?, number(date.next()?, 2)?);
    let mut time = time.splitn(3, ':');
    let (hour, minute) = (number(time.next()?, 2)?, number(time.next()?, 2)?);
    let second = time.next().map_or(Some(0), |text| number(text, 2))?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Only a day that the calendar has comes back as it was written.
    let days = show::days(year, month, day)?;
    u64::try_from(((days * 24 + hour) * 60 + minute) * 60 + second).ok()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_266_000_000;

    #[track_caller]
    fn check(text: &str, expected: Result<u64, &str>) {
        let found = until(text, NOW).map_err(|failure| failure.to_string());
        match expected {
            Ok(after) => assert_eq!(found, Ok(NOW + after), "{text}"),
            Err(why) => {
                assert!(found.clone().is_err_and(|told| told.contains(why)), "{text}: {found:?}")
            }
        }
    }

    #[test]
    fn nothing_is_written_beside_an_exception_that_a_scorer_would_refuse() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("exceptions.toml");
        let except = |route: &str, until: u64| Except {
            signature: "a.b".to_owned(),
            route: route.to_owned(),
            parameter: None,
            until,
            reason: "a test".to_owned(),
        };
        let late = "[[except]]\nsignature = 'a.b'\nroute = '/late'\nuntil = 9000000000000000000\nreason = 'x'\n";
        std::fs::write(&file, late).unwrap();
        let told = put(&file, except("/a", NOW + DAY_MS), NOW).unwrap_err().to_string();
        assert!(told.contains("a.b on /late ends more than 90 days from now"), "{told}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), late);
        // The same again, with an end that is soon enough, takes its place.
        assert_eq!(put(&file, except("/late", NOW + DAY_MS), NOW), Ok(1));
        assert_eq!(put(&file, except("/a", NOW + DAYS_MAX * DAY_MS), NOW), Ok(2));
    }

    #[test]
    fn an_exception_ends_within_ninety_days_from_now() {
        check("1h", Ok(3_600_000));
        check("90d", Ok(90 * DAY_MS));
        check("2026-11-22", Ok(11 * 3_600_000));
        check("2026-11-21T13:00:01Z", Ok(1_000));
        check("2026-11-21T13:01Z", Ok(60_000));
        check("2026-11-21T13:00Z", Err("has passed"));
        check("2026-11-21", Err("has passed"));
        check("91d", Err("more than 90 days"));
        check("2027-12-31", Err("more than 90 days"));
        for text in ["2026-11-31", "2026-13-01", "2026-12-01T24:00Z", "tomorrow", "", "26-12-01"] {
            check(text, Err("write a date as"));
        }
    }
}
