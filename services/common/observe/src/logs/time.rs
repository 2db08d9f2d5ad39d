//! The dates that logs are written with, as milliseconds: fixed forms, no time zone database, no clock.

use schemas::Millis;

const SECOND_MS: Millis = 1_000;
const MINUTE_MS: Millis = 60 * SECOND_MS;
const DAY_MS: Millis = 24 * 60 * MINUTE_MS;
/// The end of the year 9999: later clocks are wrong.
const RECEIVED_AT_MAX: Millis = 253_402_300_800_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What the dates of a log leave out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dates {
    /// Year of the dates that have none (RFC 3164); without it the newest year in which they are at most a day ahead.
    pub year: Option<u16>,
    /// East of UTC, for the dates that have no zone.
    pub offset_minutes: i16,
}

/// `10/Oct/2023:08:32:31 +0200`, with or without a fraction and a zone.
pub(super) fn clf(text: &str, dates: Dates) -> Option<Millis> {
    let (date, rest) = text.split_at_checked(20)?;
    let parts = (date.get(2..3)?, date.get(6..7)?, date.get(11..12)?);
    if parts != ("/", "/", ":") {
        return None;
    }
    let month = month(date.get(3..6)?)?;
    let day = day(number(date.get(7..11)?)?, month, number(date.get(..2)?)?)?;
    Some(day + clock(date.get(12..)?)? + tail(rest, dates)?)
}

/// `2025-12-31T17:37:40.493+01:00` and its kin: a space for the `T`, slashes for the dashes, no zone.
pub(crate) fn iso(text: &str, dates: Dates) -> Option<Millis> {
    let (date, rest) = text.split_at_checked(10)?;
    let parts = (date.get(4..5)?, date.get(7..8)?);
    if !matches!(parts, ("-", "-") | ("/", "/")) {
        return None;
    }
    let month = number(date.get(5..7)?)?;
    let day = day(number(date.get(..4)?)?, month, number(date.get(8..)?)?)?;
    let (time, rest) = rest.strip_prefix(['T', ' '])?.split_at_checked(8)?;
    Some(day + clock(time)? + tail(rest, dates)?)
}

/// `Jan  5 01:31:41`, as RFC 3164 has it: neither year nor zone.
pub(super) fn syslog(text: &str, dates: Dates, received_at: Millis) -> Option<Millis> {
    let (month_day, time) = (text.get(..6)?, text.get(7..15)?);
    let at = |year| {
        let day =
            day(year, month(month_day.get(..3)?)?, number(month_day.get(4..)?.trim_start())?)?;
        Some(day + clock(time)? + tail("", dates)?)
    };
    if let Some(year) = dates.year {
        return at(i64::from(year));
    }
    let year = year_of(received_at.clamp(0, RECEIVED_AT_MAX));
    // The 29th of February is in few years. A clock or a zone that is wrong is to be told, not to write last year's.
    [year + 1, year, year - 1, year - 2, year - 3, year - 4]
        .into_iter()
        .filter_map(at)
        .find(|at| *at <= received_at.saturating_add(DAY_MS))
}

/// `Thu Sep 30 13:27:06.009964 2021`, as C's `asctime` and Apache's error log have it.
pub(super) fn asctime(text: &str, dates: Dates) -> Option<Millis> {
    let mut words = text.split_ascii_whitespace().skip(1);
    let (month_name, day_number, time, year) =
        (words.next()?, words.next()?, words.next()?, words.next()?);
    let (time, fraction) = time.split_at_checked(8)?;
    let day = day(number(year)?, month(month_name)?, number(day_number)?)?;
    Some(day + clock(time)? + tail(fraction, dates)?)
}

/// `1700758468.384019`: seconds since the epoch.
pub(super) fn seconds(text: &str) -> Option<Millis> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    Some(number(whole)? * SECOND_MS + fraction_ms(fraction)?)
}

/// A number of seconds since the epoch, or of thousandths, millionths or billionths of one: of our time each has a
/// length of its own, and a number of another length is no moment.
fn epoch(text: &str) -> Option<Millis> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parts_per_ms = match whole.len() {
        1..=10 => return seconds(text),
        12 | 13 => 1,
        15 | 16 => 1_000,
        18 | 19 => 1_000_000,
        _ => return None,
    };
    whole.parse::<Millis>().ok().map(|parts| parts / parts_per_ms)
}

/// A moment in whatever of these forms a server was told to write it.
pub(super) fn moment(text: &str, dates: Dates) -> Option<Millis> {
    iso(text, dates).or_else(|| clf(text, dates)).or_else(|| epoch(text))
}

/// Milliseconds of `.493+01:00`: a fraction, less the offset of the zone.
fn tail(text: &str, dates: Dates) -> Option<Millis> {
    let (fraction, zone) = match text.strip_prefix(['.', ',']) {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", text),
    };
    Some(fraction_ms(fraction)? - offset_minutes(zone.trim_start(), dates)? * MINUTE_MS)
}

fn fraction_ms(digits: &str) -> Option<Millis> {
    let milliseconds = &digits[..digits.floor_char_boundary(3)];
    match milliseconds.len() {
        0 => Some(0),
        length => Some(number(milliseconds)? * [100, 10, 1][length - 1]),
    }
}

fn offset_minutes(zone: &str, dates: Dates) -> Option<i64> {
    let (sign, digits) = match zone.as_bytes().first() {
        None => return Some(i64::from(dates.offset_minutes)),
        Some(b'Z' | b'z') => return (zone.len() == 1).then_some(0),
        Some(b'+') => (1, &zone[1..]),
        Some(b'-') => (-1, &zone[1..]),
        Some(_) => return None,
    };
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let (hours, minutes) = (number(hours)?, if minutes.is_empty() { 0 } else { number(minutes)? });
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// Milliseconds of `08:32:31`. A leap second counts as the one before it.
fn clock(text: &str) -> Option<Millis> {
    if (text.len(), text.get(2..3)?, text.get(5..6)?) != (8, ":", ":") {
        return None;
    }
    let (hour, minute, second) =
        (number(text.get(..2)?)?, number(text.get(3..5)?)?, number(text.get(6..)?)?);
    let in_range = hour < 24 && minute < 60 && second <= 60;
    in_range.then_some((hour * 60 + minute) * MINUTE_MS + second.min(59) * SECOND_MS)
}

fn month(name: &str) -> Option<i64> {
    Some(MONTHS.iter().position(|known| *known == name)? as i64 + 1)
}

/// When a day of the proleptic Gregorian calendar begins.
fn day(year: i64, month: i64, day: i64) -> Option<Millis> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day last (Hinnant, "chrono-compatible low-level date algorithms").
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some((days + (153 * month + 2) / 5 + day - 1 - 719_468) * DAY_MS)
}

/// The year in which a time lies.
fn year_of(at: Millis) -> i64 {
    // 400 years have 146,097 days: the guess is at most one year off.
    let guess = 1970 + (at.div_euclid(DAY_MS) * 400).div_euclid(146_097);
    let begun = |year: &i64| day(*year, 1, 1).is_some_and(|begins| begins <= at);
    [guess + 1, guess].into_iter().find(begun).unwrap_or(guess - 1)
}

/// A number of at most ten digits and nothing else.
pub(super) fn number(text: &str) -> Option<i64> {
    let digits = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
