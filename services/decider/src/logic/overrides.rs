//! An operator's request, checked and made a decision. Data in, data out.

use ipnet::IpNet;
use schemas::effective::without;
use schemas::protected::admit;
use schemas::{Action, Claim, Decision, Millis, Mode, Observable, Origin, Refusal};
use uuid::Uuid;

use super::Rules;
use super::words::duration;
use crate::names;

/// How long an unblock keeps automation off, unless said otherwise.
pub const UNBLOCK_MS: Millis = 60 * 60 * 1000;
/// Shortest override: what is shorter has ended before it is folded, and the points would refuse it.
pub const SHORTEST_MS: Millis = 1_000;
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 1024;
/// How much shorter than asked for a decision may seem, for it counts from when it was appended: the broker may have been
/// started anew meanwhile, and its clock is another.
const APPENDED_WITHIN_MS: Millis = 5 * 60 * 1000;

/// What an operator wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Block,
    /// An allow that shortens none.
    Unblock,
    Allow,
}

impl Wish {
    fn action(self) -> Action {
        match self {
            Wish::Block => Action::Block,
            Wish::Unblock | Wish::Allow => Action::Allow,
        }
    }
}

/// What an operator asked for, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub wish: Wish,
    pub observable: &'a str,
    /// 0 is nothing said.
    pub duration_ms: Millis,
    pub reason: &'a str,
    pub idempotency_key: &'a str,
    /// SPIFFE identity of the operator.
    pub operator: &'a str,
    /// Whether the operator's role is an admin's.
    pub admin: bool,
}

/// What an operator decided last about a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub network: IpNet,
    pub action: Action,
    pub until: Millis,
    pub decision_id: Uuid,
}

/// Why a request was not made a decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The request cannot be read or lacks something.
    #[error("{0}")]
    Invalid(String),
    /// A fuse refused it; asking again changes nothing.
    #[error("{0}")]
    Fuse(String),
    /// Somebody with a higher role may.
    #[error("{0}")]
    Role(String),
}

/// Makes the decision that `asked` asks for at `now`, given what stands already: what operators decided last about the
/// very observable, and about networks around it and inside it.
///
/// An operator's word is enforced in simulated mode too: the mode is about what automation decides by itself. An
/// unblock is an allow, so it can be asked for whatever may be blocked.
pub fn decision(
    rules: &Rules,
    asked: &Asked<'_>,
    standing: &[Standing],
    now: Millis,
) -> Result<Decision, Refused> {
    let decision_id = idempotency_key(asked.idempotency_key)?;
    let reason = reason(asked.reason)?;
    let observable = observable(asked)?;
    let until = now.saturating_add(lasts(rules, asked)?);
    let until = ends(asked, observable.network(), standing, until, now)?;
    let action = asked.wish.action();
    let done = for_how_long(action, &observable, until.saturating_sub(now));
    let name = asked.operator.rsplit('/').next().unwrap_or(asked.operator);
    let explanation = format!("{done}{name} asked for it: {reason}");
    let decided_by = Some(asked.operator.to_owned());
    let words = Decision { explanation, decided_by, ..Decision::by_operator(action, observable) };
    let decision = Decision { decision_id, until: Some(until), ..words };
    match admit(&decision, now, &rules.protected, &rules.limits) {
        Ok(_) => Ok(decision),
        Err(refusal) => Err(refused(&refusal)),
    }
}

/// What outranks an operator's decision in all of its network, in the words of a claim's standing: an allow of operators
/// around it, as [`schemas::effective`] ranks claims, a later one of the very network, or several that leave none of it.
/// Neither the mode nor a freeze holds an operator's word back. Of a decision that is over nothing is said.
pub fn outranked_by(decision: &Decision, standing: &[Standing], now: Millis) -> Option<String> {
    if decision.action == Action::Allow || decision.until.is_none_or(|until| until <= now) {
        return None;
    }
    let network = decision.observable.network();
    let allows = standing.iter().filter(|one| one.action == Action::Allow && one.until > now);
    let allows: Vec<IpNet> = allows.map(|one| one.network).collect();
    if !without(network, &allows).is_empty() {
        return None;
    }
    let around = allows.iter().filter(|allow| allow.contains(&network));
    Some(match around.max_by_key(|allow| allow.prefix_len()) {
        Some(allow) => format!("an operator's allow of {allow}"),
        None => "operators' allows of all of it".to_owned(),
    })
}

/// The decision as a lease shows it, whose words are not retained any more.
pub fn leased(observable: Observable, claim: &Claim) -> Decision {
    let verb = names::action(claim.action);
    let explanation = format!("{verb} {observable}: its reason is not retained");
    let (decision_id, until) = (claim.decision_id, Some(claim.until));
    let origin = claim.origin;
    Decision {
        decision_id,
        until,
        origin,
        explanation,
        ..Decision::by_operator(claim.action, observable)
    }
}

/// Whether `known`, found under the same idempotency key and decided at `decided_at`, answers this request as well: it
/// does the same, and for at least as long.
pub fn repeats(rules: &Rules, known: &Decision, decided_at: Millis, asked: &Asked<'_>) -> bool {
    let Ok(wished) = lasts(rules, asked) else { return false };
    let ends_at = known.until.unwrap_or(decided_at);
    let lasts_at_most = ends_at.saturating_sub(decided_at).saturating_add(APPENDED_WITHIN_MS);
    // What waited long for Kafka was appended late; its own words say how long it was asked for.
    let said = for_how_long(known.action, &known.observable, wished);
    known.origin == Origin::Operator
        && known.action == asked.wish.action()
        && observable(asked).is_ok_and(|observable| observable == known.observable)
        && (wished <= lasts_at_most || known.explanation.starts_with(&said))
}

fn for_how_long(action: Action, observable: &Observable, lasts: Millis) -> String {
    format!("{} {observable} for {}: ", names::action(action), duration(lasts))
}

/// Reads the observable that is asked about. Of a network with bits after its prefix nobody knows which was meant, it or
/// the address.
pub fn observable(asked: &Asked<'_>) -> Result<Observable, Refused> {
    let text = asked.observable.trim();
    if let Ok(network) = text.parse::<IpNet>()
        && network != network.trunc()
    {
        return Err(Refused::Invalid(format!(
            "'{text}' has bits set after its prefix; write {} for the network, or an address alone",
            network.trunc()
        )));
    }
    text.parse()
        .map_err(|error: schemas::observable::ParseError| Refused::Invalid(error.to_string()))
}

/// Reads an idempotency key.
pub fn idempotency_key(text: &str) -> Result<Uuid, Refused> {
    match text.trim().parse::<Uuid>() {
        Ok(key) if !key.is_nil() => Ok(key),
        _ => Err(Refused::Invalid(format!(
            "the idempotency key '{text}' is not a UUID; draw one, and send the same one when you ask again"
        ))),
    }
}

/// Checks a reason: required, and of bounded length.
pub fn reason(text: &str) -> Result<&str, Refused> {
    match text.trim() {
        "" => Err(Refused::Invalid("a reason is required; your colleagues read it".to_owned())),
        long if long.len() > REASON_BYTES_MAX => Err(Refused::Invalid(format!(
            "the reason has {} bytes, more than the {REASON_BYTES_MAX} kept",
            long.len()
        ))),
        reason => Ok(reason),
    }
}

/// Reads the mode that an operator asks for. What the policy only simulates, no operator's word enforces.
pub fn mode(rules: &Rules, text: &str) -> Result<Mode, Refused> {
    match (text, rules.policy.mode) {
        ("simulated", _) => Ok(Mode::Simulated),
        ("enforced", Mode::Enforced) => Ok(Mode::Enforced),
        ("enforced", Mode::Simulated) => Err(Refused::Fuse(
            "the policy file says simulated, and that is the upper bound; change `mode` there"
                .to_owned(),
        )),
        _ => Err(Refused::Invalid(format!("'{text}' is not a mode; write simulated or enforced"))),
    }
}

fn lasts(rules: &Rules, asked: &Asked<'_>) -> Result<Millis, Refused> {
    let longest = rules.limits.operator_max_ms;
    match (asked.duration_ms, asked.wish) {
        (0, Wish::Unblock) => Ok(UNBLOCK_MS.min(longest)),
        (0, Wish::Block) => Err(Refused::Invalid(
            "a block needs a duration; nothing is blocked for ever".to_owned(),
        )),
        (0, Wish::Allow) => Err(Refused::Invalid(
            "an allow needs a duration; nothing is allowed for ever".to_owned(),
        )),
        (negative, _) if negative < 0 => Err(Refused::Invalid(format!(
            "a duration of {negative} ms lies in the past; give one above 0"
        ))),
        (short, _) if short < SHORTEST_MS => Err(Refused::Invalid(format!(
            "a duration of {short} ms is over before it is in force; give {SHORTEST_MS} ms or more"
        ))),
        (long, _) if long > longest => Err(Refused::Fuse(format!(
            "{} is longer than {}, the longest that one operator may ask for; what is to last belongs in your \
             infrastructure's repository",
            duration(long),
            duration(longest)
        ))),
        (lasts, _) => Ok(lasts),
    }
}

/// Until when the decision holds that takes the place of what stands on `network`: a lease has one claim of operators.
///
/// What ends later than what is asked for, only an admin ends, or outranks with an allow around or inside it; an unblock
/// leaves a longer allow as long as it is.
fn ends(
    asked: &Asked<'_>,
    network: IpNet,
    standing: &[Standing],
    until: Millis,
    now: Millis,
) -> Result<Millis, Refused> {
    let own = |standing: &&Standing| standing.network == network;
    let longer = |standing: &&Standing| standing.until > until;
    if let Some(kept) = standing.iter().filter(longer).find(own)
        && asked.wish == Wish::Unblock
        && kept.action == Action::Allow
    {
        return Ok(kept.until);
    }
    if asked.admin {
        return Ok(until);
    }
    let outranks = asked.wish.action() == Action::Allow;
    let undone =
        |standing: &&Standing| own(standing) || (outranks && standing.action == Action::Block);
    match standing.iter().filter(longer).find(undone) {
        Some(undone) => Err(undone_by_responder(asked, undone, now)),
        None => Ok(until),
    }
}

fn undone_by_responder(asked: &Asked<'_>, standing: &Standing, now: Millis) -> Refused {
    Refused::Role(format!(
        "an operator's {} of {} stands for another {} (decision {}), longer than what {} asks for; whoever has an \
         operator's certificate may change it",
        names::action(standing.action),
        Observable::from(standing.network),
        duration(standing.until.saturating_sub(now)),
        standing.decision_id,
        asked.operator
    ))
}

fn refused(refusal: &Refusal) -> Refused {
    match refusal {
        Refusal::NoEnd { .. } | Refusal::AlreadyEnded { .. } => {
            Refused::Invalid(refusal.to_string())
        }
        _ => Refused::Fuse(refusal.to_string()),
    }
}
