"""The S3 API: signed and presigned requests, and objects that survive a restart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.local.s3 import S3


@pytest.fixture(scope="module")
def s3(folder: Path) -> Iterator[S3]:
    service = S3(folder)
    service.start()
    yield service
    service.stop()


def connect(service: S3, **changed: str) -> Any:
    env = {**service.env(), **changed}
    return boto3.client(
        "s3",
        endpoint_url=env["S3_ENDPOINT"],
        region_name="us-east-1",
        aws_access_key_id=env["S3_ACCESS_KEY"],
        aws_secret_access_key=env["S3_SECRET_KEY"],
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
    )


def test_object_survives_a_restart(s3: S3) -> None:
    client = connect(s3)
    client.create_bucket(Bucket="lessons")
    client.put_object(Bucket="lessons", Key="a/b.txt", Body=b"content")
    s3.restart()
    assert client.get_object(Bucket="lessons", Key="a/b.txt")["Body"].read() == b"content"
    listed = client.list_objects_v2(Bucket="lessons")["Contents"]
    assert [(entry["Key"], entry["Size"]) for entry in listed] == [("a/b.txt", 7)]


def test_presigned_put_and_get_work_and_a_changed_signature_does_not(s3: S3) -> None:
    client = connect(s3)
    client.create_bucket(Bucket="uploads")
    name = {"Bucket": "uploads", "Key": "video.mp4"}
    put = client.generate_presigned_url("put_object", Params=name, ExpiresIn=60)
    get = client.generate_presigned_url("get_object", Params=name, ExpiresIn=60)
    assert httpx.put(put, content=b"\x00" * 1000).status_code == 200
    assert httpx.get(get).content == b"\x00" * 1000
    assert httpx.get(get[:-4] + "0000").status_code == 403
    assert httpx.get(get.split("?")[0]).status_code == 400  # Not signed at all.


def test_wrong_secret_is_refused(s3: S3) -> None:
    with pytest.raises(ClientError) as caught:
        connect(s3, S3_SECRET_KEY="wrong").list_buckets()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
