from __future__ import annotations

import pytest

from foundation.redact import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:se@cret@host/dogs.tar gone", "https://***@host/dogs.tar gone"),
        ("s3://AKIA:abc+123@bucket/models", "s3://***@bucket/models"),
        ('{"source":"ftp://token@host/a"}', '{"source":"ftp://***@host/a"}'),
        ("https://h/a.jpg?X-Amz-Signature=ab12&w=3", "https://h/a.jpg?X-Amz-Signature=***&w=3"),
        ("https://h/a?AWSAccessKeyId=AK&sig=b", "https://h/a?AWSAccessKeyId=***&sig=***"),
        ("predict a.jpg --token 'a b' --top 3", "predict a.jpg --token *** --top 3"),
        ("https://host/@user/a.jpg?page=2", "https://host/@user/a.jpg?page=2"),
        ("me@example.org, tfds:cats, a/b?c", "me@example.org, tfds:cats, a/b?c"),
    ],
)
def test_secrets_of_addresses_are_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert redacted(text) == shown
