//! Sends single records and waits until the broker has them.

use anyhow::Result;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use schemas::Record;

use crate::kafka::Kafka;
use crate::memory::Log;
use crate::stage::Message;

/// A record was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Encode(#[from] schemas::EncodeError),
    #[error("could not publish to {topic}: {cause}")]
    Broker { topic: String, cause: String },
}

/// A handle for publishing; clones share one producer.
#[derive(Clone)]
pub struct Publisher(Inner);

#[derive(Clone)]
enum Inner {
    Kafka(FutureProducer),
    Memory(Log),
}

impl Publisher {
    pub(crate) fn kafka(kafka: &Kafka) -> Result<Publisher> {
        Ok(Publisher(Inner::Kafka(kafka.producer_config().create()?)))
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

    /// Sends messages together; returns once the broker acknowledged all of them.
    pub async fn send_all(&self, messages: Vec<Message>) -> Result<(), PublishError> {
        let sent = messages.into_iter().map(|message| self.send(message));
        futures::future::try_join_all(sent).await.map(|_| ())
    }

    /// Sends one message; returns once the broker acknowledged it.
    pub async fn send(&self, message: Message) -> Result<(), PublishError> {
        match &self.0 {
            Inner::Memory(log) => {
                log.append(message);
                Ok(())
            }
            Inner::Kafka(producer) => {
                let record = FutureRecord {
                    topic: &message.topic,
                    partition: message.partition,
                    payload: Some(&message.payload),
                    key: Some(&message.key),
                    timestamp: None,
                    headers: Some(headers(&message)),
                };
                let sent = producer.send(record, Timeout::Never).await;
                sent.map(|_| ()).map_err(|(error, _)| PublishError::Broker {
                    topic: message.topic.clone(),
                    cause: error.to_string(),
                })
            }
        }
    }
}

pub(crate) fn headers(message: &Message) -> OwnedHeaders {
    message
        .headers
        .iter()
        .fold(OwnedHeaders::new_with_capacity(message.headers.len()), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        })
}
