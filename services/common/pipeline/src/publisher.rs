//! Sends single records and waits until the broker has them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rdkafka::producer::Producer as _;
use schemas::Record;

use crate::kafka::Kafka;
use crate::membership::{Acks, Producer, Refused, given_up, hand};
use crate::memory::Log;
use crate::stage::Message;

/// How long a full queue is left alone before the next try.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(5);

/// A record was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Encode(#[from] schemas::EncodeError),
    #[error("could not publish to {topic}: {cause}")]
    Broker { topic: String, cause: String },
    #[error("could not publish: {0:#}")]
    Client(anyhow::Error),
}

/// A handle for publishing; clones share one producer.
#[derive(Clone)]
pub struct Publisher(Inner);

#[derive(Clone)]
enum Inner {
    Kafka(Arc<Client>),
    Memory(Log),
}

/// A producer, replaced once it gave up.
struct Client {
    kafka: Kafka,
    producer: Mutex<Producer>,
}

impl Client {
    /// An idempotent producer gives up when it can no longer tell which of its records the broker has: where a broker lost
    /// the end of its log, for one. It refuses all that waits in it, and whoever sent that publishes again.
    fn producer(&self) -> Result<Producer, PublishError> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cause) = given_up(producer.client()) {
            tracing::warn!(cause, "the producer gave up; going on with a new one");
            *producer = self.kafka.producer().map_err(PublishError::Client)?;
        }
        Ok(producer.clone())
    }
}

impl Publisher {
    pub(crate) fn kafka(kafka: &Kafka) -> Result<Publisher> {
        let client = Client { kafka: kafka.clone(), producer: Mutex::new(kafka.producer()?) };
        Ok(Publisher(Inner::Kafka(Arc::new(client))))
    }

    pub(crate) fn memory(log: Log) -> Publisher {
        Publisher(Inner::Memory(log))
    }

    /// Publishes `record` on its own topic; returns once the broker acknowledged it.
    pub async fn publish<R: Record>(&self, record: &R) -> Result<(), PublishError> {
        self.send(Message::of(record)?).await
    }

    /// Publishes `records` together; returns once the broker acknowledged all of them.
    pub async fn publish_all<R: Record>(&self, records: &[R]) -> Result<(), PublishError> {
        let messages: Vec<Message> = records.iter().map(Message::of).collect::<Result<_, _>>()?;
        self.send_all(messages).await
    }

    /// Sends messages together, in order; returns once the broker acknowledged all of them. After an error some may have
    /// been published.
    pub async fn send_all(&self, messages: Vec<Message>) -> Result<(), PublishError> {
        let client = match &self.0 {
            Inner::Memory(log) => {
                for message in messages {
                    log.append(message);
                }
                return Ok(());
            }
            Inner::Kafka(client) => client,
        };
        let producer = client.producer()?;
        let acks = Acks::expecting(messages.len());
        for message in &messages {
            enqueue(&producer, message, &acks).await?;
        }
        acks.settled().await;
        match acks.refused().cloned() {
            None => Ok(()),
            Some(Refused { topic, cause }) => Err(PublishError::Broker { topic, cause }),
        }
    }

    /// Sends one message; returns once the broker acknowledged it.
    pub async fn send(&self, message: Message) -> Result<(), PublishError> {
        self.send_all(vec![message]).await
    }
}

/// Puts a message behind those before it; waits while the client's queue is full, so that order is kept.
async fn enqueue(producer: &Producer, message: &Message, acks: &Acks) -> Result<(), PublishError> {
    loop {
        match hand(producer, message, acks) {
            Ok(true) => return Ok(()),
            Ok(false) => tokio::time::sleep(QUEUE_FULL_WAIT).await,
            Err(error) => {
                let (topic, cause) = (message.topic.clone(), error.to_string());
                return Err(PublishError::Broker { topic, cause });
            }
        }
    }
}
