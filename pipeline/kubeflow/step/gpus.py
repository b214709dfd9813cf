"""Checks that a step has the GPUs that its pod asked for."""

from __future__ import annotations

import os

from foundation.errors import UserError

GPUS_VARIABLE = "DOGBREED_GPUS"
"""Variable of the pod of a step that asks for GPUs: how many. A rehearsal, which has none to give,
leaves it out."""


def check_gpus(step: str) -> None:
    """Checks that TensorFlow sees the GPUs that the step's pod asked for.

    Without, it would train on processors, in many times the time, with a line in the log.

    Raises:
        UserError: it sees fewer.
    """
    num_asked = int(os.environ.get(GPUS_VARIABLE, "0"))
    if not num_asked:
        return
    import tensorflow as tf  # slow, and only these steps need to ask it

    num_seen = len(tf.config.list_physical_devices("GPU"))
    if num_seen < num_asked:
        raise UserError(
            f"{step} asked for {num_asked} GPU{'s' if num_asked > 1 else ''}, and TensorFlow sees "
            f"{num_seen or 'none'}: kubeflow.gpu.image has to name the image's gpu variant "
            "('dogbreed image build --variant gpu'), whose NVIDIA driver comes from the node."
        )
