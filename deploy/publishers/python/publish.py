#!/usr/bin/env python3
"""Publishes one event to Perimeter, straight to Kafka.

    pip install confluent-kafka fastavro
    python3 publish.py --brokers broker:9092 --schema schemas/avro/event.avsc --client 81.2.69.142 --uri '/products?id=7'
"""

import argparse
import io
import ipaddress
import time
import uuid

import fastavro
from confluent_kafka import Producer
from fastavro.schema import fingerprint, to_parsing_canonical_form


class Events:
    """A producer of events; `publish` queues, `flush` waits until Kafka has them."""

    def __init__(self, brokers, schema_file):
        self.schema = fastavro.schema.load_schema(schema_file)
        # Avro's single-object encoding: C3 01, the fingerprint of the schema, the record.
        canonical = to_parsing_canonical_form(self.schema)
        self.header = b"\xc3\x01" + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
        self.failures = []
        self.producer = Producer({
            "bootstrap.servers": brokers,
            # Java's partitioner; librdkafka's own would send a key elsewhere, and the record is refused: wrong_key.
            "partitioner": "murmur2_random",
            # A send that is repeated is one record, in its place.
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
        })

    def publish(self, event):
        record = io.BytesIO()
        record.write(self.header)
        fastavro.schemaless_writer(record, self.schema, event)
        self.producer.produce("events", key=key(event["client"]), value=record.getvalue(), on_delivery=self.delivered)
        self.producer.poll(0)

    def delivered(self, error, message):
        if error is not None:
            self.failures.append(f"{message.key()}: {error}")

    def flush(self, timeout_s):
        waiting = self.producer.flush(timeout_s)
        if waiting or self.failures:
            raise SystemExit(f"{waiting} event(s) not acknowledged, {len(self.failures)} refused: {self.failures[:3]}")


def address(client):
    """The client's address; IPv4 written inside IPv6 (::ffff:10.0.0.1) is IPv4."""
    parsed = ipaddress.ip_address(client)
    return getattr(parsed, "ipv4_mapped", None) or parsed


def key(client):
    """The client's network: /24 for IPv4, /64 for IPv6 (2a00:1450:0:5::9 is under 2a00:1450:0:5::/64)."""
    parsed = address(client)
    width = 24 if parsed.version == 4 else 64
    return str(ipaddress.ip_network((parsed, width), strict=False)).encode()


def main():
    arguments = argparse.ArgumentParser(description="Publishes one event to Perimeter.")
    arguments.add_argument("--brokers", required=True)
    arguments.add_argument("--schema", required=True)
    arguments.add_argument("--client", required=True, help="the address that your service saw, without a port")
    arguments.add_argument("--uri", required=True)
    arguments.add_argument("--source", default="sample-python")
    given = arguments.parse_args()

    events = Events(given.brokers, given.schema)
    now = time.time_ns() // 1_000_000
    events.publish({
        # A function of the source and its own position, so that an event sent twice is one. Here: of the moment.
        "event_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{given.source}/{time.time_ns()}")),
        "source": given.source,
        "observed_at": now,
        "client": str(address(given.client)),
        # The service saw the connection itself. Behind a proxy, and with the proxy's word for it: proxy_asserted.
        "provenance": "socket_peer",
        "method": "GET",
        "uri": given.uri,
        "status": 200,
        "refused_by_us": False,
        "probe": False,
        "activity": "http_request",
    })
    events.flush(10)
    print(f"published an event of {given.client} under {key(given.client).decode()}")


if __name__ == "__main__":
    main()
