//! What is to be made, taken over or left alone in AWS. Data in, data out.

/// An IP set as AWS has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundSet {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) ipv6: bool,
    /// Carries our tag.
    pub(crate) owned: bool,
    /// Its description says which epoch wrote it.
    pub(crate) marked: bool,
}

/// What becomes of one IP set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetPlan {
    Create,
    Reuse,
    /// Tag it as ours, and forget which epoch wrote it if it says so.
    TakeOver {
        tag: bool,
        unmark: bool,
    },
}

/// A web ACL as AWS has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundAcl {
    pub(crate) owned: bool,
    /// For each IP set of ours, v4 first: whether a rule refers to it.
    pub(crate) referred: [bool; 2],
}

/// What becomes of the web ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AclPlan {
    Create,
    Reuse,
    /// Add a rule for each set that has none, and tag the ACL as ours.
    Extend {
        add: [bool; 2],
        tag: bool,
    },
}

/// Decides about the IP set `name`. A set of ours has every address rewritten by the executors, so somebody else's is
/// only touched when asked to adopt it.
pub(crate) fn plan_set(
    name: &str,
    ipv6: bool,
    found: Option<&FoundSet>,
    adopt: bool,
) -> Result<SetPlan, String> {
    let Some(found) = found else { return Ok(SetPlan::Create) };
    if found.ipv6 != ipv6 {
        let (has, needs) = if found.ipv6 { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
        return Err(format!(
            "IP set {name} holds {has} addresses and must hold {needs}; choose another --prefix"
        ));
    }
    match (found.owned, adopt) {
        (true, false) => Ok(SetPlan::Reuse),
        (true, true) if !found.marked => Ok(SetPlan::Reuse),
        (owned, true) => Ok(SetPlan::TakeOver { tag: !owned, unmark: found.marked }),
        (false, false) => Err(format!(
            "IP set {name} exists and does not carry our tag; executors would overwrite its addresses, so choose \
             another --prefix, or give --adopt if it is yours to give"
        )),
    }
}

/// Decides about the web ACL `name`: the rules of somebody else's are theirs to write.
pub(crate) fn plan_acl(
    name: &str,
    found: Option<&FoundAcl>,
    adopt: bool,
) -> Result<AclPlan, String> {
    let Some(found) = found else { return Ok(AclPlan::Create) };
    let add = found.referred.map(|referred| !referred);
    let complete = add == [false, false];
    if complete && (found.owned || !adopt) {
        return Ok(AclPlan::Reuse);
    }
    if found.owned || adopt {
        return Ok(AclPlan::Extend { add, tag: !found.owned });
    }
    Err(format!(
        "web ACL {name} exists, does not carry our tag and has no rule for both IP sets; add the rules yourself, choose \
         another --web-acl, or give --adopt to have them added"
    ))
}

/// Priorities for `count` new rules: before all others where there is room, else behind them.
pub(crate) fn priorities(taken: &[i32], count: usize) -> Vec<i32> {
    let count = i32::try_from(count).unwrap_or(0);
    let first = match taken.iter().min() {
        Some(lowest) if *lowest >= count => lowest - count,
        Some(_) => taken.iter().max().map_or(0, |highest| highest.saturating_add(1)),
        None => 0,
    };
    (first..first.saturating_add(count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ipv6: bool, owned: bool, marked: bool) -> FoundSet {
        FoundSet { id: "id".to_owned(), arn: "arn".to_owned(), ipv6, owned, marked }
    }

    #[track_caller]
    fn check_set(found: Option<FoundSet>, adopt: bool, expected: Result<SetPlan, &str>) {
        match (plan_set("block-v4", false, found.as_ref(), adopt), expected) {
            (Ok(plan), Ok(expected)) => assert_eq!(plan, expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (plan, expected) => panic!("{plan:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_set_of_somebody_else_is_only_taken_when_asked() {
        check_set(None, false, Ok(SetPlan::Create));
        check_set(Some(set(false, true, true)), false, Ok(SetPlan::Reuse));
        check_set(Some(set(false, false, false)), false, Err("does not carry our tag"));
        check_set(
            Some(set(false, false, false)),
            true,
            Ok(SetPlan::TakeOver { tag: true, unmark: false }),
        );
        check_set(
            Some(set(false, true, true)),
            true,
            Ok(SetPlan::TakeOver { tag: false, unmark: true }),
        );
        check_set(Some(set(false, true, false)), true, Ok(SetPlan::Reuse));
        check_set(Some(set(true, true, false)), true, Err("must hold IPv4"));
    }

    #[test]
    fn the_rules_of_somebody_else_are_theirs_to_write() {
        let acl = |owned, referred| Some(FoundAcl { owned, referred });
        let plan = |found: Option<FoundAcl>, adopt| plan_acl("edge", found.as_ref(), adopt);
        assert_eq!(plan(None, false), Ok(AclPlan::Create));
        assert_eq!(plan(acl(true, [true, true]), false), Ok(AclPlan::Reuse));
        assert_eq!(plan(acl(false, [true, true]), false), Ok(AclPlan::Reuse));
        assert_eq!(
            plan(acl(true, [true, false]), false),
            Ok(AclPlan::Extend { add: [false, true], tag: false })
        );
        assert!(
            plan(acl(false, [true, false]), false).unwrap_err().contains("add the rules yourself")
        );
        assert_eq!(
            plan(acl(false, [false, false]), true),
            Ok(AclPlan::Extend { add: [true, true], tag: true })
        );
    }

    #[test]
    fn new_rules_come_first_where_there_is_room() {
        assert_eq!(priorities(&[], 2), [0, 1]);
        assert_eq!(priorities(&[10, 20], 2), [8, 9]);
        assert_eq!(priorities(&[1, 5], 2), [6, 7]);
    }
}
