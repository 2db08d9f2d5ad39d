//! How a command fails: one sentence, one exit code.

use std::error::Error as _;
use std::fmt;

/// What a command answers; everything worth showing was printed already.
pub(crate) type Outcome = Result<(), Failure>;

/// Why a command failed. The exit codes are promised in `--help`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Something did not work: not reachable, refused by somebody else, not found.
    Error(String),
    /// A fuse refused the request; asking again changes nothing.
    Refused(String),
    /// The work was done, and something in what was looked at needs a person.
    Findings(String),
    /// The command's own settings cannot be used; nothing was connected to.
    Configuration(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Error(_) => 1,
            Failure::Refused(_) => 3,
            Failure::Findings(_) => 4,
            Failure::Configuration(_) => 64,
        }
    }

    /// A gRPC answer: what a fuse refused is told apart from what went wrong.
    pub(crate) fn from_status(status: &tonic::Status) -> Failure {
        match status.code() {
            tonic::Code::FailedPrecondition => Failure::Refused(status.message().to_owned()),
            // Only a status that the transport made up has a source; any other is the decider's own sentence.
            tonic::Code::Unavailable if status.source().is_some() => Failure::Error(format!(
                "could not reach the decider: {}; is it running, and is --endpoint its mTLS port",
                status.message()
            )),
            _ => Failure::Error(status.message().to_owned()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(sentence)
            | Failure::Refused(sentence)
            | Failure::Findings(sentence)
            | Failure::Configuration(sentence) => f.write_str(sentence),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Error(format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Error(format!("could not print: {error}"))
    }
}

/// The last cause, which says most: `connection refused` rather than `dispatch failure`.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        told = inner.to_string();
        cause = inner.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decider_that_answers_is_not_said_to_be_out_of_reach() {
        let answered = tonic::Status::unavailable("the leases were not read yet");
        let refused = std::io::Error::other("connection refused");
        let unreached = tonic::Status::from_error(Box::new(tonic::ConnectError(Box::new(refused))));
        for (status, expected) in
            [(answered, "the leases were not read yet"), (unreached, "could not reach the decider")]
        {
            let told = Failure::from_status(&status).to_string();
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
