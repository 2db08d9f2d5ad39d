//! What becomes of an offset that could not be committed.

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use schemas::Topic;

use super::{WAIT, World, decision};

/// Whether the stage's group has committed a record of `decisions`.
fn committed(consumer: &BaseConsumer) -> bool {
    let mut asked = TopicPartitionList::new();
    for partition in 0..Topic::Decisions.partitions() {
        asked.add_partition(Topic::Decisions.name(), partition);
    }
    let found = consumer.committed_offsets(asked, WAIT).unwrap();
    found.elements().iter().any(|element| element.offset() == Offset::Offset(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_failed_is_tried_again_where_nothing_more_comes() {
    let world = World::new();
    let context = world.context();
    context.bus.publisher().unwrap().publish(&decision("81.2.69.1", 1)).await.unwrap();
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE; 2];
    world.cluster.request_errors(RDKafkaApiKey::OffsetCommit, &refused);
    let running = world.start(&context);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", world.cluster.bootstrap_servers())
        .set("group.id", "echo")
        .create()
        .unwrap();
    world.until("committing", || committed(&consumer)).await;
    context.shutdown.cancel();
    running.await.unwrap().unwrap();
}
