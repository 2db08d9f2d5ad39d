//! One strategy for each closed set of values.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use schemas::event::{Cut, Part};
use schemas::{
    Action, Activity, Category, Effect, Header, Mode, Origin, Phase, Provenance, Reason, Severity,
    Status, Verdict,
};

macro_rules! closed {
    ($($name:ident: $type:ident [$($value:ident),*];)*) => {
        $(pub(super) fn $name() -> impl Strategy<Value = $type> { select(vec![$($type::$value),*]) })*
    };
}
closed! {
    activity: Activity [HttpRequest, Login, Finding];
    action: Action [Observe, Allow, Block];
    origin: Origin [Feed, Pipeline, Operator];
    mode: Mode [Simulated, Enforced];
    provenance: Provenance [SocketPeer, ProxyAsserted, HeaderUntrusted, LogText, ExternalFeed];
    reason: Reason [Other, Policy, Override, Protected, TooWide, Overridden, InForce, BelowFloor, Provenance];
    severity: Severity [Low, Medium, High, Critical];
    category: Category [Other, SqlInjection, PathTraversal, BruteForce, Xss, CommandInjection, CodeInjection, TemplateInjection, Deserialisation, FileInclusion, NosqlInjection, LdapInjection, XpathInjection, XmlInjection, Ssrf, OpenRedirect, HeaderInjection, RequestSmuggling, WebShell, KnownExploit, SensitiveFile, Scanner, ProtocolAbuse, GraphqlAbuse];
    phase: Phase [Apply, Lift];
    status: Status [Other, Applied, Lifted, Superseded, Failed, Refused];
    effect: Effect [Other, Effective, Partial, Ineffective, Absent];
    verdict: Verdict [InsufficientData, TruePositive, FalsePositive, Benign];
}

/// Headers, body and what was cut of them.
pub(super) fn content() -> impl Strategy<Value = (Option<Vec<Header>>, Option<Vec<u8>>, Cut)> {
    let header = (".{0,8}", ".{0,8}").prop_map(|(name, value)| Header { name, value });
    let parts = [Part::Uri, Part::Agent, Part::Referer, Part::Headers, Part::Body];
    let cut = subsequence(parts.to_vec(), 0..=5).prop_map(|parts| parts.into_iter().collect());
    (option::of(vec(header, 0..4)), option::of(vec(any::<u8>(), 0..40)), cut)
}
