//! Every date of every format is the same moment, written differently; what is none is refused.

use observe::logs::{Dates, Format, Parser};
use observe::{Line, Trusted};
use proptest::prelude::*;

use crate::{NOW, check, event, said};

/// The time of a line, or nothing where it has none that can be read.
fn at(format: &str, line: &str, dates: Dates) -> Option<i64> {
    let format: Format = format.parse().unwrap();
    let read = Parser::new(format, Trusted::default(), dates).line(line.as_bytes(), NOW);
    match read {
        Ok(Line::Event(observation)) => observation.observed_at,
        _ => None,
    }
}

fn clf(date: &str) -> Option<i64> {
    let line = format!("81.2.69.142 - - [{date}] \"GET / HTTP/1.1\" 200 5");
    at("common", &line, Dates::default())
}

#[test]
fn one_moment_is_the_same_in_every_form() {
    // 2024-02-29 12:34:56.789 UTC.
    const MOMENT: i64 = 1_709_210_096_789;
    let second = MOMENT - 789;
    assert_eq!(clf("29/Feb/2024:12:34:56 +0000"), Some(second));
    assert_eq!(clf("29/Feb/2024:14:04:56 +0130"), Some(second));
    assert_eq!(clf("28/Feb/2024:23:34:56 -1300"), Some(second));
    assert_eq!(clf("29/Feb/2024:12:34:56.789 +0000"), Some(MOMENT));
    let request = "\"GET / HTTP/1.1\" 200";
    let template = |variable: &str, written: &str| {
        let line = format!("81.2.69.142 [{written}] {request}");
        at(&format!("$remote_addr [${variable}] \"$request\" $status"), &line, Dates::default())
    };
    assert_eq!(template("time_iso8601", "2024-02-29T12:34:56+00:00"), Some(second));
    assert_eq!(template("time_iso8601", "2024-02-29T12:34:56.789123Z"), Some(MOMENT));
    assert_eq!(template("time_iso8601", "2024-02-29 11:34:56,7-01"), Some(second + 700));
    assert_eq!(template("msec", "1709210096.789"), Some(MOMENT));
    assert_eq!(template("msec", "1709210096"), Some(second));
    let note = "[pid 1:tid 2] [client 81.2.69.142:5] [client 81.2.69.142] ModSecurity: Warning.";
    let apache = format!("[Thu Feb 29 12:34:56.789012 2024] [:error] {note}");
    assert_eq!(at("modsecurity", &apache, Dates::default()), Some(MOMENT));
}

#[test]
fn dates_without_year_or_zone_take_what_they_are_given() {
    let login = |date: &str, dates| {
        at("sshd", &format!("{date} web sshd[1]: Invalid user a from 81.2.69.142 port 5"), dates)
    };
    const DAY: i64 = 86_400_000;
    let new_year_2024 = 1_704_067_200_000;
    let in_2024 = Dates { year: Some(2024), ..Dates::default() };
    assert_eq!(login("Jan  1 00:00:00", in_2024), Some(new_year_2024));
    let east = Dates { offset_minutes: 120, ..in_2024 };
    assert_eq!(login("Jan  1 02:00:00", east), Some(new_year_2024));
    // It is the 21st of November 2026: what is later in the year was last year.
    assert_eq!(login("Nov 21 13:05:09", Dates::default()), Some(NOW));
    assert_eq!(login("Nov 22 13:05:09", Dates::default()), Some(NOW + DAY));
    assert_eq!(login("Nov 23 13:05:09", Dates::default()), Some(NOW + 2 * DAY - 365 * DAY));
    assert_eq!(login("Feb 29 12:34:56", Dates::default()), Some(1_709_210_096_000));
}

#[test]
fn what_is_no_date_is_said_to_be_none() {
    for date in [
        "31/Feb/2024:12:34:56 +0000",
        "29/Feb/2023:12:34:56 +0000",
        "00/Jan/2024:12:34:56 +0000",
        "29/Foo/2024:12:34:56 +0000",
        "29/Feb/2024:24:34:56 +0000",
        "29/Feb/2024:12:60:56 +0000",
        "29/Feb/2024:12:34:56 +2400",
        "29/Feb/2024:12:34:56 CET",
        "29-Feb-2024:12:34:56 +0000",
        "today",
        "",
        "é9/Feb/2024:12:34:56 +0000",
    ] {
        let line = format!("81.2.69.142 - - [{date}] \"GET / HTTP/1.1\" 200 5");
        check("common", &line, "dead: no_time");
    }
}

/// How a proxy may be told to write 2026-11-21 13:05:09.123Z, and what comes of it.
const FORMS: [(&str, &str); 16] = [
    (r#""2026-11-21T13:05:09.123Z""#, "at=1795266309123"),
    (r#""2026-11-21T14:05:09.123+0100""#, "at=1795266309123"),
    (r#""2026/11/21 13:05:09.123456789""#, "at=1795266309123"),
    (r#""21/Nov/2026:14:05:09 +0100""#, "at=1795266309000"),
    ("1795266309", "at=1795266309000"),
    ("1795266309.123", "at=1795266309123"),
    ("1795266309123", "at=1795266309123"),
    ("1795266309123.4568", "at=1795266309123"),
    ("1795266309123456", "at=1795266309123"),
    ("1795266309123456789", "at=1795266309123"),
    (r#""1795266309""#, "at=1795266309000"),
    (r#""1795266309.123""#, "at=1795266309123"),
    (r#""-""#, "dead: no_time"),
    ("\"\"", "dead: no_time"),
    ("null", "dead: no_time"),
    ("17952663091", "dead: no_time"),
];

#[test]
fn a_proxy_s_time_is_read_in_any_form_and_is_never_now() {
    for (format, line) in [
        ("envoy", r#"{"downstream_remote_address":"81.2.69.142:5","start_time":TIME}"#),
        ("traefik", r#"{"ClientHost":"81.2.69.142","RequestMethod":"GET","StartUTC":TIME}"#),
        ("traefik", r#"{"ClientHost":"81.2.69.142","RequestMethod":"GET","time":TIME}"#),
        (
            "caddy",
            r#"{"logger":"http.log.access","request":{"remote_ip":"81.2.69.142"},"ts":TIME}"#,
        ),
    ] {
        for (time, expected) in FORMS {
            let line = line.replace("TIME", time);
            let found = said(crate::read(format, &line));
            assert!(found.ends_with(expected), "{format}: {line}: {found}");
        }
    }
    for time in ["-1795266309", "true", "[]", "\"soon\"", "1e400", "99999999999999999999"] {
        let line =
            format!(r#"{{"downstream_remote_address":"81.2.69.142:5","start_time":{time}}}"#);
        let found = said(crate::read("envoy", &line));
        assert!(found.starts_with("dead: "), "{line}: {found}");
    }
    // A log without a time is as old as its coming.
    let line = r#"{"downstream_remote_address":"81.2.69.142:5"}"#;
    check("envoy", line, "81.2.69.142 SocketPeer HttpRequest at=-");
}

#[test]
fn a_dash_is_no_time_of_a_template() {
    for (template, line) in [
        ("$remote_addr [$time_local] $status", "81.2.69.142 [-] 200"),
        ("$remote_addr $time_iso8601 $status", "81.2.69.142 - 200"),
        ("$remote_addr $msec $status", "81.2.69.142 - 200"),
    ] {
        check(template, line, "dead: no_time");
    }
}

proptest! {
    /// Days are counted one after the other: the reference is a calendar that is walked.
    #[test]
    fn any_day_is_where_a_walk_through_the_calendar_finds_it(days in 0i64..60_000, second in 0i64..86_400) {
        let (mut year, mut month, mut rest) = (1970, 1, days);
        loop {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = [31, 28 + i64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
            if rest < length { break; }
            rest -= length;
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        }
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        let written = format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{:02}Z", rest + 1, second % 60);
        let line = format!("81.2.69.142 {written} 200");
        let found = event("$remote_addr $time_iso8601 $status", &line).observed_at;
        prop_assert_eq!(found, Some((days * 86_400 + second) * 1_000), "{}", written);
        // Without a year it is the same moment, for whoever reads it within eleven months.
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let date = format!("{} {:>2} {}", months[month - 1], rest + 1, &written[11..19]);
        let line = format!("{date} web sshd[1]: Invalid user a from 81.2.69.142 port 5");
        let at = (days * 86_400 + second) * 1_000;
        for received_at in [at, at + 330 * 86_400_000] {
            let mut parser = Parser::new(Format::Sshd, Trusted::default(), Dates::default());
            let read = parser.line(line.as_bytes(), received_at);
            let Ok(Line::Event(observation)) = read else { panic!("{line}: {read:?}") };
            prop_assert_eq!(observation.observed_at, Some(at), "{}", line);
        }
    }
}
