//! The web ACL's rules: whoever is in an IP set of ours is refused.

use aws_sdk_wafv2::error::BuildError;
use aws_sdk_wafv2::types::{
    BlockAction, FallbackBehavior, ForwardedIpPosition, IpSetForwardedIpConfig,
    IpSetReferenceStatement, Rule, RuleAction, Statement, VisibilityConfig,
};

use super::Set;
use crate::args::{BootstrapAws, Position};
use crate::bootstrap::aws_plan::priorities;
use crate::failure::Failure;

/// Whether one of `rules` refers to the IP set, however deep inside its statement.
pub(super) fn refer_to(rules: &[Rule], arn: &str) -> bool {
    // Statements nest without bound and in many kinds; their debug form shows every ARN in quotes.
    let quoted = format!("{arn:?}");
    rules.iter().any(|rule| format!("{:?}", rule.statement()).contains(&quoted))
}

/// One rule for each set of `add`, with priorities that are not `taken`.
pub(super) fn wanted(
    arguments: &BootstrapAws,
    sets: &[Set],
    arns: &[Option<String>],
    add: [bool; 2],
    taken: &[i32],
) -> Result<Vec<Rule>, Failure> {
    let mut priorities = priorities(taken, add.iter().filter(|add| **add).count()).into_iter();
    let mut rules = Vec::new();
    for ((set, arn), _) in sets.iter().zip(arns).zip(add).filter(|(_, add)| *add) {
        if let (Some(arn), Some(priority)) = (arn, priorities.next()) {
            let rule = rule(arguments, &set.name, arn, priority);
            rules.push(rule.map_err(|error| {
                Failure::Error(format!("could not build the rule {}: {error}", set.name))
            })?);
        }
    }
    Ok(rules)
}

fn rule(
    arguments: &BootstrapAws,
    name: &str,
    arn: &str,
    priority: i32,
) -> Result<Rule, BuildError> {
    let forwarded = match &arguments.forwarded_ip_header {
        None => None,
        Some(header) => {
            let position = match arguments.forwarded_ip_position {
                Position::Last => ForwardedIpPosition::Last,
                Position::Any => ForwardedIpPosition::Any,
            };
            // A header without a valid address says nothing about the client, so it matches nobody.
            let config = IpSetForwardedIpConfig::builder()
                .header_name(header)
                .fallback_behavior(FallbackBehavior::NoMatch)
                .position(position);
            Some(config.build()?)
        }
    };
    let reference = IpSetReferenceStatement::builder()
        .arn(arn)
        .set_ip_set_forwarded_ip_config(forwarded)
        .build()?;
    Rule::builder()
        .name(name)
        .priority(priority)
        .statement(Statement::builder().ip_set_reference_statement(reference).build())
        .action(RuleAction::builder().block(BlockAction::builder().build()).build())
        .visibility_config(visibility(name)?)
        .build()
}

/// Metrics and samples under `name`.
pub(super) fn visibility(name: &str) -> Result<VisibilityConfig, BuildError> {
    VisibilityConfig::builder()
        .sampled_requests_enabled(true)
        .cloud_watch_metrics_enabled(true)
        .metric_name(name)
        .build()
}
