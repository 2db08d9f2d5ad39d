//! The policy file: what it says, what it says when it says nothing, and how each mistake is answered.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use ipnet::IpNet;
use observe::{Policy, PolicyError};
use proptest::prelude::*;
use schemas::{Action, Limits, Mode, Severity};

const FULL: &str = r#"
mode = "enforced"
[actions]
low = "observe"
medium = "block"
high = "block"
critical = "block"
[ladder]
steps_seconds = [15, 30, 60]
[proxies]
trusted = ["127.0.0.1/32", "45.9.1.0/24", "2a02:1::/48", "45.10.0.1"]
[detection]
prior = 0.02
[logins]
routes = ["/login", "/api//session/"]
failures = 7
window_seconds = 120
[protected]
networks = [{ network = "81.2.69.0/24", name = "office" }, { network = "2a00:1450::/32", name = "partner" }]
[limits]
automatic_prefix_min_v4 = 24
automatic_prefix_min_v6 = 56
operator_prefix_min_v4 = 20
operator_prefix_min_v6 = 48
automatic_max_seconds = 3600
operator_max_seconds = 86400
strike_memory_seconds = 172800
"#;

fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(text)
}

#[test]
fn an_empty_file_is_safe() {
    let policy = Policy::default();
    assert_eq!(policy.mode, Mode::Simulated);
    assert_eq!(policy.limits(), Limits::default());
    assert_eq!(policy.ladder_ms(), [300_000, 3_600_000, 86_400_000]);
    assert_eq!(policy.prior(), 0.001);
    assert!(policy.trusted().is_empty() && !policy.is_login("/login"));
    let actions = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical]
        .map(|s| policy.action_for(s));
    assert_eq!(actions, [Action::Observe, Action::Observe, Action::Block, Action::Block]);
}

#[test]
fn a_full_file_says_what_it_says() {
    let policy = parse(FULL).unwrap();
    assert_eq!(policy.mode, Mode::Enforced);
    assert_eq!(
        (policy.action_for(Severity::Low), policy.action_for(Severity::Medium)),
        (Action::Observe, Action::Block)
    );
    assert_eq!(
        [-1, 0, 1, 2, 3, 4, i32::MAX].map(|strikes| policy.step_ms(strikes) / 1_000),
        [15, 15, 15, 30, 60, 60, 60]
    );
    assert_eq!(policy.trusted().len(), 4);
    assert_eq!(policy.prior(), 0.02);
    assert_eq!((policy.logins().failures, policy.logins().window_ms), (7, 120_000));
    assert!(
        policy.is_login("/login?next=/")
            && policy.is_login("//login/")
            && policy.is_login("/api/session")
    );
    assert!(!policy.is_login("/Login") && !policy.is_login("/login/x") && !policy.is_login("/"));
    let limits = policy.limits();
    assert_eq!((limits.automatic_prefix_min_v4, limits.operator_prefix_min_v6), (24, 48));
    assert_eq!((limits.automatic_max_ms, limits.strike_memory_ms), (3_600_000, 172_800_000));
}

#[test]
fn the_demo_runs_on_a_policy_that_passes() {
    let policy = parse(include_str!("../../../../compose/policy.demo.toml")).unwrap();
    assert_eq!(policy.mode, Mode::Enforced);
    assert_eq!(policy.ladder_ms(), [15_000, 30_000, 60_000]);
    assert!(policy.is_login("/login"));
}

/// Row F2, and what our own file adds: refused, with the reason a person reads.
#[test]
fn nothing_protected_can_be_acted_against_and_overlap_counts() {
    let policy = parse(FULL).unwrap();
    let protected = policy.protected();
    let expected = [
        ("0.0.0.0/0", ""),
        ("::/0", ""),
        ("10.0.0.0/8", "private"),
        ("192.168.1.0/24", "private"),
        ("127.0.0.1/32", "loopback"),
        ("::ffff:10.0.0.1/128", "private"),
        ("203.0.113.42/32", "documentation"),
        ("45.10.0.1/32", "trusted proxy"),
        ("45.9.1.7/32", "trusted proxy"),
        ("45.8.0.0/14", "trusted proxy"),
        ("2a02:1:0:9::/64", "trusted proxy"),
        ("81.2.69.142/32", "office"),
        ("81.2.0.0/16", "office"),
        ("2a00:1450:0:5::/64", "partner"),
        ("2a00::/15", "partner"),
    ];
    for (text, name) in expected {
        let (network, found) = protected
            .overlap(text.parse().unwrap())
            .unwrap_or_else(|| panic!("{text} is not protected"));
        assert!(found.contains(name) && !found.is_empty(), "{text} overlaps {network} ({found})");
    }
    for text in ["81.2.68.142/32", "45.9.2.1/32", "2a02:2::/64"] {
        assert_eq!(protected.overlap(text.parse().unwrap()), None, "{text}");
    }
}

#[track_caller]
fn check(text: &str, sentence: &str) {
    let error = parse(text).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, format!("policy: {sentence}"), "for {text}");
}

#[test]
fn the_prior_is_a_probability_of_a_few() {
    for prior in ["0.0", "-1.0", "0.6", "nan", "inf", "0.0000001"] {
        check(
            &format!("[detection]\nprior = {prior}"),
            &format!(
                "detection.prior: is {}; write the share of requests that are attacks, from 0.000001 to 0.5",
                prior.parse::<f64>().unwrap()
            ),
        );
    }
}

#[test]
fn every_mistake_names_its_field_and_says_what_to_write() {
    check(
        "[ladder]\nsteps_seconds = []",
        "ladder.steps_seconds: is empty; write for example steps_seconds = [300, 3600, 86400]",
    );
    check(
        "[ladder]\nsteps_seconds = [60, 30]",
        "ladder.steps_seconds: goes from 60 s to 30 s, but every step must be longer; write for example steps_seconds = [300, 3600, 86400]",
    );
    check(
        "[ladder]\nsteps_seconds = [60, 90000]",
        "ladder.steps_seconds: has a step of 90000 s, longer than limits.automatic_max_seconds; write at most 86400",
    );
    check(
        "[actions]\nlow = \"block\"",
        "actions.medium: is observed although low is blocked; write medium = \"block\" as well, or low = \"observe\"",
    );
    check(
        "[proxies]\ntrusted = [\"10.1.2.3/8\"]",
        "proxies.trusted: '10.1.2.3/8' has bits set after its prefix; write 10.0.0.0/8 for the network, or an address alone",
    );
    check(
        "[proxies]\ntrusted = [\"envoy.local\"]",
        "proxies.trusted: 'envoy.local' is not an address or network; write for example 81.2.69.0/24 or 2a00:1450::/48",
    );
    check(
        "[proxies]\ntrusted = [\"0.0.0.0/0\"]",
        "proxies.trusted: '0.0.0.0/0' would let almost anybody say who the client is; write the proxies' own addresses, /8 or narrower",
    );
    check(
        "[logins]\nroutes = [\"login\"]",
        "logins.routes: 'login' is not a path; write paths alone, for example routes = [\"/login\"]",
    );
    check("[logins]\nfailures = 0", "logins.failures: is 0; write a whole number from 1 to 1000");
    check(
        "[logins]\nwindow_seconds = -1",
        "logins.window_seconds: is -1; write a whole number from 1 to 3600",
    );
    check(
        "[protected]\nnetworks = [{ network = \"81.2.69.0/24\", name = \"\" }]",
        "protected.networks: '81.2.69.0/24' has no usable name, and refusals mention it; write for example { network = \"81.2.69.0/24\", name = \"office\" }",
    );
    check(
        "[limits]\nautomatic_prefix_min_v4 = 8",
        "limits.automatic_prefix_min_v4: is 8; write a whole number from 16 to 32",
    );
    check(
        "[limits]\nautomatic_max_seconds = 315360000",
        "limits.automatic_max_seconds: is 315360000; write a whole number from 1 to 86400",
    );
    check(
        "[limits]\noperator_max_seconds = 1209600",
        "limits.strike_memory_seconds: together with the longest claim is longer than the topic leases is kept; write operator_max_seconds and strike_memory_seconds that sum to less than 1296000",
    );
}

#[track_caller]
fn check_unreadable(text: &str, parts: &[&str]) {
    let error = parse(text).map(|_| ()).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "'{part}' is not in: {error}");
    }
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn what_is_not_of_the_form_is_answered_with_its_line_and_an_example() {
    check_unreadable("mode = \"on\"", &["line 1", "mode = \"on\"", "`on`", "mode = \"simulated\""]);
    check_unreadable(
        "\n\n[logins]\nfailures = \"five\"",
        &["line 4", "failures = 5", "invalid type"],
    );
    check_unreadable(
        "[logins]\nfailurs = 5",
        &["line 2", "failurs", "unknown field", "compose/policy.demo.toml"],
    );
    check_unreadable("[login]\nfailures = 5", &["line 1", "[login]", "unknown field"]);
    check_unreadable("[actions]\nhigh = \"allow\"", &["line 2", "`allow`", "high = \"block\""]);
    check_unreadable(
        "[protected]\nnetworks = [{ network = \"81.2.69.0/24\" }]",
        &["line 2", "missing field `name`", "office"],
    );
    check_unreadable(
        "[ladder]\nsteps_seconds = 300",
        &["line 2", "steps_seconds = [300, 3600, 86400]"],
    );
    check_unreadable("[ladder]\nsteps_seconds = [0.5]", &["line 2", "invalid type"]);
    check_unreadable("[logins]\nfailures = 99999999999999999999", &["line 2"]);
    check_unreadable("mode = \"simulated\"\nmode = \"enforced\"", &["line 2", "duplicate"]);
    check_unreadable("mode", &["line 1"]);
    check_unreadable("\u{0}", &["line 1"]);
    check_unreadable(&" ".repeat(2_000_000), &["1048576 bytes"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_trusted_proxy_is_protected_whatever_its_network(address in any::<u32>(), length in 8u8..=32, inside in any::<u32>()) {
        let proxy = IpNet::new(std::net::Ipv4Addr::from(address).into(), length).unwrap().trunc();
        let policy = parse(&format!("[proxies]\ntrusted = [\"{proxy}\"]")).unwrap();
        let host = u32::from_be_bytes(address.to_be_bytes()) & u32::MAX << (32 - length) | inside.checked_shr(length.into()).unwrap_or(0);
        prop_assert!(proxy.contains(&std::net::IpAddr::V4(host.into())));
        prop_assert!(policy.protected().covers(std::net::IpAddr::V4(host.into())));
    }

    #[test]
    fn any_text_is_answered_and_never_panics(text in "[\\[\\]{}a-z_=\"0-9./:, \n-]{0,200}") {
        if let Err(error) = parse(&text) {
            prop_assert!(!error.remedy.is_empty());
        }
    }

    #[test]
    fn a_ladder_is_rising_and_short_enough_or_refused(steps in proptest::collection::vec(-5i64..200_000, 0..20)) {
        let rising = steps.windows(2).all(|pair| pair[0] < pair[1]);
        let fit = !steps.is_empty() && steps.len() <= 16 && rising && steps[0] >= 1 && *steps.last().unwrap() <= 86_400;
        prop_assert_eq!(parse(&format!("[ladder]\nsteps_seconds = {steps:?}")).is_ok(), fit);
    }
}
