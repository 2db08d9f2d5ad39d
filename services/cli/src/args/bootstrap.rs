//! What `perimeter bootstrap` may be given.

use clap::{Args, ValueEnum};
use schemas::Millis;

#[derive(Debug, Args)]
pub(crate) struct BootstrapKafka {
    /// The brokers' addresses, host:port separated by commas; KAFKA_BOOTSTRAP_SERVERS or the local world's when absent.
    /// Any other KAFKA_X_Y sets librdkafka's property x.y.
    #[arg(long)]
    pub(crate) brokers: Option<String>,
    /// Copies of each partition; 3 when absent, fewer where there are fewer brokers. A topic that exists with another
    /// number is named.
    #[arg(long)]
    pub(crate) replication: Option<i32>,
    /// Copies that must have a record before it is acknowledged; 2 when absent, 1 with a single copy. A topic that exists
    /// with another number is named.
    #[arg(long)]
    pub(crate) min_isr: Option<i32>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The topics were made anew on purpose: fold `decisions` on top of `leases` under a new epoch.
    #[arg(long)]
    pub(crate) adopt: bool,
    /// An epoch that the services still hold and the topics, made anew, do not know: `perimeter status` and the
    /// executors' logs name it. May be given more than once.
    #[arg(long, value_name = "EPOCH", requires = "adopt")]
    pub(crate) replaces: Vec<Millis>,
    /// The policy file, whose protected networks and limits an adoption obeys; the local world's when absent.
    #[arg(long, env = "PERIMETER_POLICY", value_name = "FILE")]
    pub(crate) policy: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BootstrapAws {
    /// WAFv2 endpoint of an emulator; AWS itself when absent.
    #[arg(long)]
    pub(crate) endpoint: Option<String>,
    /// REGIONAL for load balancers and API gateways, CLOUDFRONT for distributions.
    #[arg(long, value_enum, ignore_case = true, default_value_t = WafScope::Regional)]
    pub(crate) scope: WafScope,
    /// Names of the IP sets: PREFIX-v4 and PREFIX-v6.
    #[arg(long, default_value = "perimeter-block")]
    pub(crate) prefix: String,
    /// Name of the web ACL.
    #[arg(long, default_value = "perimeter")]
    pub(crate) web_acl: String,
    /// AWS region; CLOUDFRONT is always us-east-1.
    #[arg(long, env = "AWS_REGION")]
    pub(crate) region: Option<String>,
    /// Take the client's address from this header, which your proxy before the WAF writes (X-Forwarded-For). Without
    /// it the peer's address counts.
    #[arg(long, value_name = "HEADER")]
    pub(crate) forwarded_ip_header: Option<String>,
    /// Which address of that header: LAST, the one your proxy appended, or ANY where several proxies of yours append.
    /// There is no FIRST: the client itself writes that one.
    #[arg(long, value_enum, ignore_case = true, default_value_t = Position::Last)]
    pub(crate) forwarded_ip_position: Position,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take over IP sets and a web ACL of these names that somebody else made, and forget which epoch wrote the sets.
    /// Their addresses stay until an executor writes.
    #[arg(long)]
    pub(crate) adopt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum WafScope {
    Regional,
    Cloudfront,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Position {
    Last,
    Any,
}
