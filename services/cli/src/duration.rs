//! Durations as people write them: `90s`, `15m`, `1h30m`, `7d`.

use decider::logic::overrides::SHORTEST_MS;
use schemas::Millis;

/// Reads how long an override is to last.
pub(crate) fn lasting(text: &str) -> Result<Millis, String> {
    match parse(text)? {
        short if short < SHORTEST_MS => {
            Err(format!("'{text}' is over before it is in force; an override lasts 1s or longer"))
        }
        lasts => Ok(lasts),
    }
}

/// Reads a duration into milliseconds.
pub(crate) fn parse(text: &str) -> Result<Millis, String> {
    let wrong = || format!("'{text}' is not a duration; write for example 90s, 15m, 1h30m or 7d");
    let mut total: Millis = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|character: char| character.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: Millis = number.parse().map_err(|_| wrong())?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        total =
            number.checked_mul(unit_ms).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
        rest = tail;
    }
    if total == 0 {
        Err(format!("'{text}' is no time at all; write for example 90s, 15m, 1h30m or 7d"))
    } else {
        Ok(total)
    }
}

/// Writes a duration in its two largest units: `1h 5m`.
pub(crate) fn show(ms: Millis) -> String {
    let seconds = ms.max(0).saturating_add(999) / 1_000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut parts = Vec::new();
    let mut left = seconds;
    for (size, unit) in units {
        if left >= size && parts.len() < 2 {
            parts.push(format!("{}{unit}", left / size));
            left %= size;
        } else if !parts.is_empty() {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_said() {
        for (text, ms) in [
            ("90s", 90_000),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("250ms", 250),
        ] {
            assert_eq!(parse(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in [
            "",
            "0s",
            "15",
            "m",
            "-5m",
            "5 min",
            "1y",
            "99999999999999999999d",
            "9223372036854775807d",
            "é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_override_lasts_a_second_at_least_and_what_is_looked_back_on_need_not() {
        for (text, ms) in [("1s", Some(1_000)), ("999ms", None), ("1ms", None), ("0s", None)] {
            assert_eq!(lasting(text).ok(), ms, "{text}");
        }
        assert_eq!(parse("999ms"), Ok(999));
        assert!(!parse("0s").unwrap_err().contains("override"));
    }

    #[test]
    fn durations_are_shown_in_two_units() {
        for (ms, text) in
            [(0, "0s"), (1, "1s"), (90_000, "1m 30s"), (3_600_000, "1h"), (90_061_000, "1d 1h")]
        {
            assert_eq!(show(ms), text);
        }
    }
}
