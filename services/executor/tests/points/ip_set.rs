//! What an IP set becomes: a list that never loses an entry that is not due.

use executor::logic::ip_set::{
    Desired, ENTRIES_MAX, Family, Found, Marked, Permission, mark_text, plan,
};
use executor::logic::networks::Networks;
use ipnet::IpNet;
use proptest::prelude::*;
use schemas::Position;
use schemas::reader::{Mark, MayWrite};

const MARK: Mark = Mark { epoch: 1_763_700_000_000, position: Position { leases: 7, controls: 2 } };
const ALL: Permission = Permission::All(MARK);

fn networks(texts: &[&str]) -> Networks {
    texts.iter().map(|text| text.parse::<IpNet>().unwrap()).collect()
}

fn desired(blocked: &[&str], ended: &[&str]) -> Desired {
    let known = networks(blocked).iter().chain(networks(ended).iter()).collect();
    Desired { blocked: networks(blocked), known, ..Desired::default() }
}

fn found(entries: &[&str]) -> Found {
    Found::read(Family::V4, entries.iter().copied(), &mark_text(MARK))
}

/// What stands, what is wanted, what ended; and the entries after the plan, `None` where nothing is written.
#[track_caller]
fn check(permission: Permission, entries: &[&str], wanted: &Desired, expected: Option<&[&str]>) {
    let found = found(entries);
    let planned = plan(&found, wanted, permission, false);
    assert_eq!(planned.write, expected.is_some());
    assert_eq!(planned.entries, expected.map_or(found.entries, networks));
}

#[test]
fn an_owner_makes_the_set_what_is_desired() {
    check(
        ALL,
        &["1.1.1.1/32"],
        &desired(&["1.1.1.1/32", "2.2.2.2/32"], &[]),
        Some(&["1.1.1.1/32", "2.2.2.2/32"]),
    );
    check(ALL, &["1.1.1.1/32"], &desired(&["1.1.1.1/32"], &[]), None);
    check(
        ALL,
        &["1.1.1.1/32", "9.9.9.9/32"],
        &desired(&["1.1.1.1/32"], &[]),
        Some(&["1.1.1.1/32"]),
    );
}

#[test]
fn everybody_else_removes_what_is_due_and_nothing_unknown() {
    let due = Permission::Due;
    check(due, &["1.1.1.1/32"], &desired(&["1.1.1.1/32", "2.2.2.2/32"], &[]), None);
    check(
        due,
        &["1.1.1.1/32", "9.9.9.9/32"],
        &desired(&[], &["1.1.1.1/32"]),
        Some(&["9.9.9.9/32"]),
    );
    check(due, &["9.9.9.9/32"], &desired(&[], &[]), None);
    // Two neighbours were one entry; one of them ended.
    check(due, &["1.1.1.0/31"], &desired(&["1.1.1.0/32"], &["1.1.1.1/32"]), Some(&["1.1.1.0/32"]));
    // The other half is not known here: it stays.
    check(due, &["1.1.1.0/31"], &desired(&[], &["1.1.1.1/32"]), Some(&["1.1.1.0/32"]));
    // An allow inside a wide block was cut out.
    check(
        due,
        &["1.1.1.0/30"],
        &desired(&["1.1.1.0/31", "1.1.1.2/32"], &["1.1.1.0/30"]),
        Some(&["1.1.1.0/31", "1.1.1.2/32"]),
    );
}

#[test]
fn who_knows_too_little_writes_nothing() {
    check(Permission::Nothing, &["1.1.1.1/32"], &desired(&["2.2.2.2/32"], &["1.1.1.1/32"]), None);
}

#[test]
fn permission_follows_from_what_was_read_and_what_stands_there() {
    let by = Marked::By(MARK);
    let of = Permission::of;
    assert_eq!(of(true, true, by, MayWrite::All(MARK)), ALL);
    assert_eq!(
        of(true, true, Marked::Nobody, MayWrite::All(MARK)),
        ALL,
        "a set without a mark is new"
    );
    assert_eq!(of(true, false, by, MayWrite::All(MARK)), Permission::Due, "only the owner adds");
    assert_eq!(of(true, true, by, MayWrite::OnlyDue), Permission::Due);
    assert_eq!(of(true, true, Marked::Unreadable, MayWrite::All(MARK)), Permission::Due);
    assert_eq!(of(true, true, by, MayWrite::ReadOnTo(MARK.position)), Permission::Nothing);
    assert_eq!(of(false, true, by, MayWrite::OnlyDue), Permission::Nothing, "a renewal may follow");
}

#[test]
fn marks_are_read_as_they_are_written() {
    let read = |description: &str| Found::read(Family::V4, [], description).marked;
    assert_eq!(mark_text(MARK), "perimeter epoch=1763700000000 leases=7 controls=2");
    assert_eq!(read(&mark_text(MARK)), Marked::By(MARK));
    assert_eq!(read(""), Marked::Nobody);
    assert_eq!(read("made by hand"), Marked::Nobody);
    for garbage in [
        "perimeter epoch=x leases=7 controls=2",
        "perimeter epoch=1 leases=7",
        "perimeter epoch=1 leases=7 controls=2 x",
    ] {
        assert_eq!(read(garbage), Marked::Unreadable, "{garbage}");
    }
}

#[test]
fn what_cannot_be_read_is_kept_until_everything_may_be_written() {
    let found = Found::read(Family::V4, ["1.1.1.1/32", "garbage", "2a00::/64"], "");
    let due = plan(&found, &desired(&[], &["1.1.1.1/32"]), Permission::Due, false);
    assert_eq!((due.write, due.unreadable.len(), due.entries.len()), (true, 2, 0));
    assert!(plan(&found, &desired(&["1.1.1.1/32"], &[]), ALL, false).unreadable.is_empty());
}

#[test]
fn a_new_owner_leaves_its_mark_even_if_nothing_changes_and_names_what_is_not_ours() {
    let planned = plan(&found(&["1.1.1.1/32"]), &desired(&["1.1.1.1/32"], &[]), ALL, true);
    assert_eq!((planned.write, planned.mark), (true, Some(MARK)));
    let planned = plan(&found(&["9.9.9.9/32"]), &desired(&[], &[]), ALL, false);
    assert_eq!(planned.drift, ["9.9.9.9/32".parse::<IpNet>().unwrap()]);
}

fn host(index: u32) -> IpNet {
    // Every other address, so that no two are one entry.
    IpNet::from(std::net::IpAddr::V4(std::net::Ipv4Addr::from(0x5100_0000 + 2 * index)))
}

#[test]
fn a_full_set_leaves_the_latest_out_and_pushes_nothing_out() {
    let held: Networks = (0..ENTRIES_MAX as u32 - 1).map(|i| host(i + 10)).collect();
    let blocked: Networks = held.iter().chain([host(0), host(1), host(2)]).collect();
    let decided_at = blocked.iter().map(|n| (n, if n == host(1) { 5 } else { 9 })).collect();
    let found = Found { entries: held.clone(), unreadable: Vec::new(), marked: Marked::By(MARK) };
    let planned = plan(
        &found,
        &Desired { known: blocked.clone(), blocked, decided_at, ..Desired::default() },
        ALL,
        false,
    );
    assert_eq!(planned.entries.len(), ENTRIES_MAX);
    assert!(held.iter().all(|network| planned.entries.contains(network)));
    assert!(planned.entries.contains(host(1)), "the earliest decision of the new ones");
    assert_eq!(planned.left_out.iter().collect::<Vec<_>>(), [host(0), host(2)]);
}

#[test]
fn one_address_into_nearly_full_loses_none() {
    let held: Networks = (0..ENTRIES_MAX as u32 - 1).map(host).collect();
    let found = Found { entries: held.clone(), unreadable: Vec::new(), marked: Marked::By(MARK) };
    for added in (0..100).map(|i| host(20_000 + i * 331)) {
        let blocked: Networks = held.iter().chain([added]).collect();
        let planned = plan(
            &found,
            &Desired { known: blocked.clone(), blocked, ..Desired::default() },
            ALL,
            false,
        );
        assert_eq!(planned.entries.len(), held.len() + 1);
        assert!(planned.write && held.iter().all(|network| planned.entries.contains(network)));
    }
}

fn some_networks() -> impl Strategy<Value = Vec<IpNet>> {
    let network = (0_u32..64, 26_u8..=32).prop_map(|(host, length)| {
        let address = std::net::Ipv4Addr::from(0x5102_4500 + host);
        IpNet::new(std::net::IpAddr::V4(address), length).unwrap().trunc()
    });
    proptest::collection::vec(network, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// For every address: what stood there and is desired, or is unknown, stands there afterwards; nothing is added.
    #[test]
    fn only_what_is_due_goes_and_nothing_comes(
        entries in some_networks(), blocked in some_networks(), ended in some_networks(),
    ) {
        let blocked: Networks = IpNet::aggregate(&blocked).into_iter().collect();
        let known: Networks = blocked.iter().chain(ended).collect();
        let found = Found { entries: entries.into_iter().collect(), unreadable: Vec::new(), marked: Marked::Nobody };
        let wanted = Desired { blocked, known, ..Desired::default() };
        let planned = plan(&found, &wanted, Permission::Due, false);
        for host in 0_u32..64 {
            let address = IpNet::from(std::net::IpAddr::V4(std::net::Ipv4Addr::from(0x5102_4500 + host)));
            let stood = found.entries.covering(address).is_some();
            let due = wanted.known.covering(address).is_some() && wanted.blocked.covering(address).is_none();
            prop_assert_eq!(planned.entries.covering(address).is_some(), stood && !due, "{}", address);
        }
        prop_assert_eq!(planned.mark, None);
    }
}
