//! One strategy for each closed set of values.

use proptest::prelude::*;
use proptest::sample::select;
use schemas::{
    Action, Activity, Category, Effect, Mode, Origin, Phase, Provenance, Reason, Severity, Status,
    Verdict,
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
