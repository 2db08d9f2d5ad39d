//! Sends single records and waits until the broker has them.

use std::time::Duration;

use anyhow::Result;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::{DeliveryFuture, OwnedDeliveryResult};
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::Record;

use crate::kafka::Kafka;
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

    /// Sends messages together, in order; returns once the broker acknowledged all of them.
    pub async fn send_all(&self, messages: Vec<Message>) -> Result<(), PublishError> {
        let mut waiting = Vec::with_capacity(messages.len());
        for message in messages {
            if let Some(delivery) = self.enqueue(&message).await? {
                waiting.push((message.topic, delivery));
            }
        }
        for (topic, delivery) in waiting {
            settled(topic, delivery.await)?;
        }
        Ok(())
    }

    /// Sends one message; returns once the broker acknowledged it.
    pub async fn send(&self, message: Message) -> Result<(), PublishError> {
        match self.enqueue(&message).await? {
            Some(delivery) => settled(message.topic, delivery.await),
            None => Ok(()),
        }
    }

    /// Puts a message behind those before it; waits while the client's queue is full, so that order is kept.
    async fn enqueue(&self, message: &Message) -> Result<Option<DeliveryFuture>, PublishError> {
        let producer = match &self.0 {
            Inner::Memory(log) => {
                log.append(message.clone());
                return Ok(None);
            }
            Inner::Kafka(producer) => producer,
        };
        let mut record = FutureRecord {
            topic: &message.topic,
            partition: message.partition,
            payload: Some(&message.payload),
            key: Some(&message.key),
            timestamp: None,
            headers: Some(headers(message)),
        };
        loop {
            match producer.send_result(record) {
                Ok(delivery) => return Ok(Some(delivery)),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    tokio::time::sleep(QUEUE_FULL_WAIT).await;
                }
                Err((error, _)) => {
                    return Err(PublishError::Broker {
                        topic: message.topic.clone(),
                        cause: error.to_string(),
                    });
                }
            }
        }
    }
}

fn settled(
    topic: String,
    delivered: Result<OwnedDeliveryResult, futures::channel::oneshot::Canceled>,
) -> Result<(), PublishError> {
    match delivered {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(PublishError::Broker { topic, cause: error.to_string() }),
        Err(_) => Err(PublishError::Broker { topic, cause: "the producer ended first".to_owned() }),
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
