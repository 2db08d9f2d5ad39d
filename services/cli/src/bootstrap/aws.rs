//! `perimeter bootstrap aws`: two IP sets, and a web ACL that refuses whoever is in them.
//!
//! Works against AWS and against an emulator. Running it again changes nothing; what somebody else made is not touched
//! unless adopted. A web ACL still has to be associated with a load balancer or distribution: that is its owner's act.

mod rules;
mod sdk;

use serde_json::json;

use super::aws_plan::{AclPlan, FoundAcl, FoundSet, SetPlan, plan_acl, plan_set};
use super::{Step, print};
use crate::args::{BootstrapAws, WafScope};
use crate::failure::{Failure, Outcome};
use crate::output::Printer;
use sdk::Waf;

const CLOUDFRONT_REGION: &str = "us-east-1";

/// One of the two IP sets, and what becomes of it.
struct Set {
    name: String,
    ipv6: bool,
    found: Option<FoundSet>,
    plan: SetPlan,
}

pub(crate) async fn run(arguments: &BootstrapAws, printer: &Printer) -> Outcome {
    let region = region(arguments)?;
    let waf = Waf::connect(arguments, region).await?;
    let mut sets = Vec::new();
    // Everything is looked at before anything is changed, so that a refusal leaves nothing half made.
    for (suffix, ipv6) in [("v4", false), ("v6", true)] {
        let name = format!("{}-{suffix}", arguments.prefix);
        let found = waf.find_set(&name).await?;
        let plan =
            plan_set(&name, ipv6, found.as_ref(), arguments.adopt).map_err(Failure::Error)?;
        sets.push(Set { name, ipv6, found, plan });
    }
    let acl = waf.find_acl(&arguments.web_acl).await?;
    let found = acl.as_ref().map(|acl| FoundAcl {
        owned: acl.owned,
        referred: [0, 1].map(|index| {
            let arn = sets[index].found.as_ref().map(|set| set.arn.as_str());
            arn.is_some_and(|arn| rules::refer_to(acl.web_acl.rules(), arn))
        }),
    });
    let plan =
        plan_acl(&arguments.web_acl, found.as_ref(), arguments.adopt).map_err(Failure::Error)?;
    let mut steps = Vec::new();
    let mut arns = Vec::new();
    for set in &sets {
        arns.push(apply_set(&waf, set, arguments.dry_run, &mut steps).await?);
    }
    let acl_arn = apply_acl(&waf, arguments, acl.as_ref(), plan, &sets, &arns, &mut steps).await?;
    let extra = json!({
        "scope": waf.scope_name(),
        "ip_sets": sets.iter().zip(&arns).map(|(set, arn)| json!({ "name": set.name, "arn": arn })).collect::<Vec<_>>(),
        "web_acl": { "name": arguments.web_acl, "arn": acl_arn },
        "dry_run": arguments.dry_run,
    });
    print(&steps, extra, printer)
}

/// CLOUDFRONT's interface exists in one region only.
fn region(arguments: &BootstrapAws) -> Result<Option<String>, Failure> {
    match (arguments.scope, arguments.region.as_deref()) {
        (WafScope::Cloudfront, Some(other)) if other != CLOUDFRONT_REGION => {
            Err(Failure::Configuration(format!(
                "scope CLOUDFRONT is only served in {CLOUDFRONT_REGION}, not in {other}; give --region {CLOUDFRONT_REGION}"
            )))
        }
        (WafScope::Cloudfront, _) => Ok(Some(CLOUDFRONT_REGION.to_owned())),
        (WafScope::Regional, region) => Ok(region.map(str::to_owned)),
    }
}

/// Does what was planned for one set; answers its ARN, where there is one yet.
async fn apply_set(
    waf: &Waf,
    set: &Set,
    dry_run: bool,
    steps: &mut Vec<Step>,
) -> Result<Option<String>, Failure> {
    let what = format!("IP set {}", set.name);
    let found = set.found.as_ref().map(|found| found.arn.clone());
    match set.plan {
        SetPlan::Reuse => steps.push(Step::new("present", what, found.clone().unwrap_or_default())),
        SetPlan::Create if dry_run => steps.push(Step::new("would create", what, "")),
        SetPlan::Create => {
            let arn = waf.create_set(&set.name, set.ipv6).await?;
            steps.push(Step::new("created", what, arn.clone()));
            return Ok(Some(arn));
        }
        SetPlan::TakeOver { .. } if dry_run => {
            steps.push(Step::new("would adopt", what, found.clone().unwrap_or_default()));
        }
        SetPlan::TakeOver { tag, unmark } => {
            if let Some(found) = &set.found {
                if unmark {
                    waf.unmark_set(&set.name, &found.id).await?;
                }
                if tag {
                    waf.tag(&found.arn).await?;
                }
                steps.push(Step::new("adopted", what, found.arn.clone()));
            }
        }
    }
    Ok(found)
}

/// Does what was planned for the web ACL; answers its ARN, where there is one yet.
async fn apply_acl(
    waf: &Waf,
    arguments: &BootstrapAws,
    found: Option<&sdk::Acl>,
    plan: AclPlan,
    sets: &[Set],
    arns: &[Option<String>],
    steps: &mut Vec<Step>,
) -> Result<Option<String>, Failure> {
    let what = format!("web ACL {}", arguments.web_acl);
    let rule_names = |add: [bool; 2]| {
        let named: Vec<&str> = sets
            .iter()
            .zip(add)
            .filter(|(_, add)| *add)
            .map(|(set, _)| set.name.as_str())
            .collect();
        format!("rules {}", named.join(", "))
    };
    let wanted = |add: [bool; 2], taken: &[i32]| rules::wanted(arguments, sets, arns, add, taken);
    let arn = found.map(|acl| acl.web_acl.arn().to_owned());
    match (plan, found) {
        (AclPlan::Create, _) if arguments.dry_run => {
            steps.push(Step::new("would create", what, rule_names([true, true])));
        }
        (AclPlan::Create, _) => {
            let arn = waf.create_acl(&arguments.web_acl, wanted([true, true], &[])?).await?;
            steps.push(Step::new("created", what, arn.clone()));
            return Ok(Some(arn));
        }
        (AclPlan::Extend { add, .. }, _) if arguments.dry_run => {
            steps.push(Step::new("would extend", what, rule_names(add)));
        }
        (AclPlan::Extend { add, tag }, Some(acl)) => {
            let taken: Vec<i32> = acl.web_acl.rules().iter().map(|rule| rule.priority()).collect();
            let new_rules = wanted(add, &taken)?;
            if !new_rules.is_empty() {
                waf.extend_acl(acl, new_rules).await?;
            }
            if tag {
                waf.tag(acl.web_acl.arn()).await?;
            }
            steps.push(Step::new("extended", what, rule_names(add)));
        }
        (AclPlan::Reuse | AclPlan::Extend { .. }, _) => {
            steps.push(Step::new("present", what, arn.clone().unwrap_or_default()));
        }
    }
    Ok(arn)
}
