"""The messages that the clients send, against the official ones."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from serving.client import messages_pb2


def _message_fields(descriptor: object) -> dict[str, tuple[int, int, bool]]:
    return {
        field.name: (field.number, field.type, field.label == field.LABEL_REPEATED)
        for field in descriptor.fields
    }


@pytest.mark.parametrize(
    ("ours", "official"),
    [
        (messages_pb2.PredictRequest, predict_pb2.PredictRequest),
        (messages_pb2.PredictResponse, predict_pb2.PredictResponse),
        (messages_pb2.GetModelStatusRequest, get_model_status_pb2.GetModelStatusRequest),
        (messages_pb2.GetModelStatusResponse, get_model_status_pb2.GetModelStatusResponse),
    ],
)
def test_declared_messages_are_the_official_ones(ours: type, official: type) -> None:
    enum, int32 = 14, 5
    pairs = [(ours.DESCRIPTOR, official.DESCRIPTOR)]
    for declared, true in pairs:
        fields = _message_fields(true)
        for name, (number, kind, repeated) in _message_fields(declared).items():
            true_number, true_kind, true_repeated = fields[name]
            assert (number, repeated) == (true_number, true_repeated), f"{true.full_name}.{name}"
            assert kind == (int32 if true_kind == enum else true_kind), f"{true.full_name}.{name}"
            if (inner := declared.fields_by_name[name].message_type) is not None:
                pairs.append((inner, true.fields_by_name[name].message_type))


@pytest.mark.slow
@pytest.mark.parametrize(
    "order", ["client, stubs", "stubs, client"], ids=["client first", "TensorFlow first"]
)
def test_client_needs_no_tensorflow_and_bears_it(order: str) -> None:
    parts = {
        "client": "from serving.client.sync_client import BreedClient\n"
        "from serving.client.messages_pb2 import PredictRequest as Ours\n"
        "loaded = 'tensorflow' in sys.modules\n",
        "stubs": "from tensorflow_serving.apis.predict_pb2 import PredictRequest as Official\n",
    }
    script = "import sys\n" + "".join(parts[part] for part in order.split(", "))
    script += (
        "ours = Ours(); ours.model_spec.name = 'dogs'\n"
        "assert Official.FromString(ours.SerializeToString()).model_spec.name == 'dogs'\n"
        "print(loaded)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert done.stdout == f"{order != 'client, stubs'}\n", done.stderr
