"""Kafka: records survive restart and kill, and the small heap bears a load."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from deploy.local.kafka import Kafka

RECORDS = 2000


@pytest.fixture(scope="module")
def kafka(folder: Path) -> Iterator[Kafka]:
    service = Kafka(folder)
    service.start()
    yield service
    service.stop()


def create_topic(service: Kafka, name: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=service.env()["KAFKA_BROKERS"])
    try:
        admin.create_topics([NewTopic(name, num_partitions=3, replication_factor=1)])
    finally:
        admin.close()


def produce(service: Kafka, topic: str, values: range) -> None:
    producer = KafkaProducer(bootstrap_servers=service.env()["KAFKA_BROKERS"], acks="all")
    try:
        sent = [producer.send(topic, key=b"%d" % n, value=b"%d" % n) for n in values]
        producer.flush(timeout=30)
        for future in sent:
            future.get(timeout=5)
    finally:
        producer.close(timeout=5)


def read_all(service: Kafka, topic: str) -> list[int]:
    consumer = KafkaConsumer(
        bootstrap_servers=service.env()["KAFKA_BROKERS"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=5000,
    )
    try:
        parts = [TopicPartition(topic, n) for n in range(3)]
        consumer.assign(parts)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(parts)
        values: list[int] = []
        while any(consumer.position(part) < ends[part] for part in parts):
            for records in consumer.poll(timeout_ms=500).values():
                values += [int(record.value) for record in records]
        return sorted(values)
    finally:
        consumer.close()


def test_records_survive_restart_and_kill(kafka: Kafka) -> None:
    create_topic(kafka, "sample.kept")
    produce(kafka, "sample.kept", range(RECORDS))
    kafka.restart()
    produce(kafka, "sample.kept", range(RECORDS, RECORDS + 10))
    kafka.kill()
    kafka.start()
    assert read_all(kafka, "sample.kept") == list(range(RECORDS + 10))


def test_undeclared_topic_does_not_appear(kafka: Kafka) -> None:
    consumer = KafkaConsumer(bootstrap_servers=kafka.env()["KAFKA_BROKERS"])
    try:
        assert consumer.partitions_for_topic("sample.misspelt") in (None, set())
        assert "sample.misspelt" not in consumer.topics()
    finally:
        consumer.close()


def test_group_commits_and_resumes(kafka: Kafka) -> None:
    create_topic(kafka, "sample.group")
    produce(kafka, "sample.group", range(10))

    def take(wanted: int) -> list[int]:
        consumer = KafkaConsumer(
            "sample.group",
            bootstrap_servers=kafka.env()["KAFKA_BROKERS"],
            group_id="readers",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        values: list[int] = []
        try:
            while len(values) < wanted:
                for records in consumer.poll(timeout_ms=500).values():
                    values += [int(record.value) for record in records]
            consumer.commit()
        finally:
            consumer.close()
        return sorted(values)

    assert take(10) == list(range(10))
    produce(kafka, "sample.group", range(10, 13))
    assert take(3) == [10, 11, 12]
