//! The names of closed enums, as the records, the metrics and the gRPC contract write them.

use schemas::{Action, Effect, Mode, Origin, Phase, Provenance, Reason, Setting, Severity, Status};

pub(crate) fn action(action: Action) -> &'static str {
    match action {
        Action::Observe => "observe",
        Action::Allow => "allow",
        Action::Block => "block",
    }
}

pub(crate) fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Feed => "feed",
        Origin::Pipeline => "pipeline",
        Origin::Operator => "operator",
    }
}

pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Simulated => "simulated",
        Mode::Enforced => "enforced",
    }
}

pub(crate) fn setting(setting: Option<Setting>) -> &'static str {
    match setting {
        Some(Setting::Frozen(true)) => "freeze",
        Some(Setting::Frozen(false)) => "thaw",
        Some(Setting::Mode(Mode::Simulated)) => "mode simulated",
        Some(Setting::Mode(Mode::Enforced)) => "mode enforced",
        None => "a control of a later version",
    }
}

pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Other => "other",
        Reason::Policy => "policy",
        Reason::Override => "override",
        Reason::Protected => "protected",
        Reason::TooWide => "too_wide",
        Reason::Overridden => "overridden",
        Reason::InForce => "in_force",
        Reason::BelowFloor => "below_floor",
        Reason::Provenance => "provenance",
    }
}

pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

pub(crate) fn provenance(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::SocketPeer => "socket_peer",
        Provenance::ProxyAsserted => "proxy_asserted",
        Provenance::HeaderUntrusted => "header_untrusted",
        Provenance::LogText => "log_text",
        Provenance::ExternalFeed => "external_feed",
    }
}

pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Apply => "apply",
        Phase::Lift => "lift",
    }
}

pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Other => "other",
        Status::Applied => "applied",
        Status::Lifted => "lifted",
        Status::Superseded => "superseded",
        Status::Failed => "failed",
        Status::Refused => "refused",
    }
}

pub(crate) fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Other => "other",
        Effect::Effective => "effective",
        Effect::Partial => "partial",
        Effect::Ineffective => "ineffective",
        Effect::Absent => "absent",
    }
}
