//! One step of the pipeline, and everything that such a step must not repeat.
//!
//! A service implements [`Stage`] and hands it to [`run`], which reads, decodes, publishes, dead-letters, commits and
//! drains. [`follow`] keeps a copy of whole topics, [`Publisher`] sends single records, [`Consumer`] reads a topic of somebody else's, [`service`] is the frame of
//! every `main`. Kafka has a twin in memory behind the same types ([`memory`]), for tests that must be repeatable.
//! What is not here: any rule of a service, gRPC, Redis.

pub mod admin;
mod bus;
mod changed;
mod config;
mod follow;
mod follower;
mod foreign;
pub mod health;
mod kafka;
mod leases;
mod letters;
mod membership;
pub mod memory;
mod proofread;
mod publisher;
mod registry;
mod repeat;
mod run;
mod service;
mod stage;
mod tls;
mod worker;

pub use bus::{Bus, From, Headers, Raw, ReadBack};
pub use changed::Seen;
pub use config::{ConfigError, Env};
pub use follow::{Follow, Update, follow};
pub use foreign::{Consumer, Foreign, Subscription};
pub use health::Health;
pub use kafka::WrongPartitions;
pub use leases::{LEASE_TOPICS, Leases, LeasesSink};
pub use letters::{CLASSES, Classed, DeadLetter, DeadLetters, REPLAYED};
pub use proofread::{Proofread, proofread};
pub use publisher::{PublishError, Publisher};
pub use registry::{Registry, RegistryError};
pub use repeat::repeat;
pub use run::{Assigned, Group, run};
pub use service::{Clock, Config, Context, service};
pub use stage::{Fault, Message, Outputs, Received, Stage};
pub use tls::{Tls, TlsError};
pub use worker::{Produced, Worker};
