//! What other detectors find: whom an alert is about, and that it is one however often it is told.

use observe::documents::{Document, read};

use super::check;

#[test]
fn suricata_has_requests_and_alerts_and_much_that_is_neither() {
    let base = r#""timestamp":"1970-01-01T00:00:01.000000+0000","src_ip":"81.2.69.142""#;
    for (rest, expected) in [
        (
            r#""event_type":"http","http":{"http_method":"POST","hostname":"shop.example","url":"/login?x=1",
               "status":401,"http_user_agent":"curl","http_refer":"/from"}"#,
            "request 1000 81.2.69.142 POST shop.example /login?x=1 401 curl /from",
        ),
        (
            r#""event_type":"alert","direction":"to_server","alert":{"signature_id":7,"signature":"a scan"}"#,
            "finding 1000 81.2.69.142 7: a scan",
        ),
        (
            r#""event_type":"alert","direction":"to_server","alert":{"signature":"a scan"}"#,
            "finding 1000 81.2.69.142 a scan",
        ),
        (r#""event_type":"alert","direction":"to_server""#, "finding 1000 81.2.69.142 an alert"),
        (r#""event_type":"dns""#, ""),
        (r#""event_type":"flow","src_ip":"no address""#, ""),
    ] {
        check(&format!("{{{base},{rest}}}"), expected);
    }
    let alert = r#""event_type":"alert""#;
    check(&format!(r#"{{{alert},"timestamp":"1970-01-01T00:00:01Z"}}"#), "dead: no_address");
    check(
        &format!(r#"{{{alert},"timestamp":"1970-01-01T00:00:01Z","src_ip":"eth0"}}"#),
        "dead: no_address",
    );
    check(&format!(r#"{{{alert},"timestamp":"now","src_ip":"81.2.69.142"}}"#), "dead: no_time");
}

#[test]
fn falco_names_the_far_end_of_a_connection() {
    for (fields, expected) in [
        (
            r#"{"fd.cip":"81.2.69.142","fd.rip":"81.2.69.144","user.name":"root"}"#,
            "finding 1000 81.2.69.142 web-1 root a shell",
        ),
        (r#"{"fd.cip":null,"fd.rip":"81.2.69.144"}"#, "finding 1000 81.2.69.144 web-1 a shell"),
        (r#"{"proc.name":"sh"}"#, "dead: no_address"),
        (
            r#"{"fd.cip":"<NA>","fd.rip":"81.2.69.144","user.name":"<NA>"}"#,
            "finding 1000 81.2.69.144 web-1 a shell",
        ),
        (r#"{"fd.cip":"<NA>"}"#, "dead: no_address"),
        (r#"{"fd.cip":"<NA>","fd.rip":"<NA>"}"#, "dead: no_address"),
        ("null", "dead: no_address"),
    ] {
        check(
            &format!(
                r#"{{"rule":"a shell","time":"1970-01-01T00:00:01.0Z","hostname":"web-1","output_fields":{fields}}}"#
            ),
            expected,
        );
    }
    check(r#"{"rule":"a shell","output_fields":{"fd.cip":"81.2.69.142"}}"#, "dead: no_time");
}

#[test]
fn each_firing_alert_is_a_finding_or_dead_by_itself() {
    let alert = |status: &str, labels: &str| {
        format!(
            r#"{{"status":"{status}","labels":{{{labels}}},"startsAt":"1970-01-01T00:00:01Z"}}"#
        )
    };
    let flood =
        |label: &str| alert("firing", &format!(r#""alertname":"flood","{label}":"81.2.69.142""#));
    let finding = "finding 1000 81.2.69.142 flood";
    for (alerts, expected) in [
        (vec![flood("client_ip")], finding.to_owned()),
        (vec![flood("src_ip")], finding.to_owned()),
        (vec![flood("source_ip")], finding.to_owned()),
        (vec![flood("remote_addr")], finding.to_owned()),
        (
            vec![
                alert("firing", r#""alertname":"disk""#),
                flood("client_ip"),
                alert("firing", r#""client_ip":"web-1""#),
                alert("resolved", r#""client_ip":"81.2.69.144""#),
            ],
            format!("dead: no_address | {finding} | dead: no_address"),
        ),
        (vec![alert("resolved", r#""client_ip":"81.2.69.144""#)], String::new()),
        (vec![], String::new()),
        (vec![r#"{"labels":{"client_ip":"81.2.69.142"}}"#.to_owned()], "dead: no_time".to_owned()),
        (vec!["7".to_owned()], "dead: malformed".to_owned()),
        (vec!["7".to_owned(); 1_025], "dead: too_long".to_owned()),
    ] {
        let alerts = alerts.join(",");
        check(&format!(r#"{{"receiver":"perimeter","alerts":[{alerts}]}}"#), &expected);
    }
    check(r#"{"receiver":"perimeter","alerts":{}}"#, "dead: malformed");
}

/// An alert names the ends of the packet that it saw: where that was an answer, the first is our own server.
#[test]
fn an_alert_on_an_answer_is_about_whoever_asked() {
    let (server, client) = (r#""src_ip":"10.0.0.7""#, r#""dest_ip":"81.2.69.142""#);
    let began = r#""flow":{"src_ip":"81.2.69.142","dest_ip":"10.0.0.7"}"#;
    let found = "finding 1000 81.2.69.142 an alert";
    for (rest, expected) in [
        (format!(r#"{server},{client},"direction":"to_client",{began}"#), found),
        (format!(r#"{server},{client},"direction":"to_client""#), found),
        (format!("{server},{client},{began}"), found),
        (format!(r#""src_ip":"81.2.69.142","direction":"to_server",{began}"#), found),
        // Neither says which way it went, so nobody is blocked for it.
        (format!("{server},{client}"), "finding 1000 10.0.0.7 an alert unsure"),
        (
            format!(r#"{server},{client},"direction":"sideways","flow":{{"pkts_toserver":1}}"#),
            "finding 1000 10.0.0.7 an alert unsure",
        ),
        (format!(r#"{server},"direction":"to_client""#), "dead: no_address"),
        (format!(r#"{server},{client},"flow":"81.2.69.142""#), "dead: malformed"),
    ] {
        let head = r#""event_type":"alert","timestamp":"1970-01-01T00:00:01Z""#;
        check(&format!("{{{head},{rest}}}"), expected);
    }
}

/// The names of a webhook's alerts.
fn names(alerts: &[&str]) -> Vec<String> {
    let document = format!(r#"{{"receiver":"perimeter","alerts":[{}]}}"#, alerts.join(","));
    let Ok(Document::Observed(observed)) = read(document.as_bytes()) else { panic!("{document}") };
    observed.into_iter().map(|seen| seen.unwrap().name.unwrap()).collect()
}

#[test]
fn an_alert_has_the_same_name_in_whichever_group_it_is_told() {
    let alert = |more: &str, client: &str, second: u8| {
        format!(
            r#"{{{more}"status":"firing","labels":{{"client_ip":"{client}"}},"startsAt":"1970-01-01T00:00:0{second}Z"}}"#
        )
    };
    for (one_print, other_print) in [(r#""fingerprint":"a1","#, r#""fingerprint":"b2","#), ("", "")]
    {
        let one = alert(one_print, "81.2.69.142", 1);
        let other = alert(other_print, "81.2.69.144", 1);
        let alone = names(&[&one]);
        let grown = names(&[&one, &other]);
        let turned = names(&[&other, &one]);
        assert_eq!(alone[0], grown[0]);
        assert_eq!((&grown[0], &grown[1]), (&turned[1], &turned[0]));
        assert_ne!(grown[0], grown[1]);
        assert_ne!(alone, names(&[&alert(one_print, "81.2.69.142", 2)]), "it fired again");
    }
}
