"""The DynamoDB API: a conditional write, and data that survive restart and kill."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy.local.dynamodb import DynamoDB


@pytest.fixture
def dynamodb(tmp_path: Path) -> Iterator[DynamoDB]:
    service = DynamoDB(tmp_path)
    service.start()
    yield service
    service.stop()


def connect(service: DynamoDB) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=service.env()["DYNAMODB_ENDPOINT"],
        region_name="eu-central-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def test_items_survive_restart_and_kill_and_conditions_hold(dynamodb: DynamoDB) -> None:
    client = connect(dynamodb)
    client.create_table(
        TableName="messages",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName="messages", Item={"pk": {"S": "a"}, "n": {"N": "1"}})
    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(
            TableName="messages",
            Item={"pk": {"S": "a"}, "n": {"N": "2"}},
            ConditionExpression="attribute_not_exists(pk)",
        )
    dynamodb.restart()
    client.put_item(TableName="messages", Item={"pk": {"S": "b"}, "n": {"N": "3"}})
    dynamodb.kill()
    dynamodb.start()
    items = client.scan(TableName="messages")["Items"]
    assert sorted((item["pk"]["S"], item["n"]["N"]) for item in items) == [("a", "1"), ("b", "3")]
