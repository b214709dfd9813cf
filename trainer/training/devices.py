"""Chooses the devices, distribution strategy and precision of a training."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

from trainer.networks.transfer.network import TransferConfig
from trainer.training.config import TrainerConfig

# Tensor cores, by NVIDIA's compute capability: https://developer.nvidia.com/cuda-gpus
_FIRST_WITH_BFLOAT16 = (8, 0)
_FIRST_WITH_FLOAT16 = (7, 0)

# Intel's from Cooper Lake and Sapphire Rapids, AMD's from Zen 4 on.
_PROCESSOR = Path("/proc/cpuinfo")
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def split_processor(num_devices: int) -> None:
    """Splits the CPU into logical devices. Must come before TensorFlow's first computation.

    Raises:
        ValueError: TensorFlow is initialized already.
    """
    [processor] = tf.config.list_physical_devices("CPU")
    devices = tf.config.get_logical_device_configuration(processor) or [None]
    if len(devices) == num_devices:
        return
    try:
        tf.config.set_logical_device_configuration(
            processor, [tf.config.LogicalDeviceConfiguration()] * num_devices
        )
    except RuntimeError:
        raise ValueError(
            f"The processor cannot be split into {num_devices} devices any more: TensorFlow is at "
            "work already. Start a new process."
        ) from None


def build_strategy(config: TrainerConfig) -> tf.distribute.Strategy:
    """Returns a strategy over all GPUs, else over the CPU's logical devices.

    Raises:
        ValueError: the batch cannot be divided evenly among the replicas.
    """
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    num_replicas = len(devices)
    if config.batch_size % num_replicas:
        raise ValueError(
            f"trainer.batch_size {config.batch_size} cannot be shared evenly by {num_replicas} "
            f"devices; {config.batch_size // num_replicas * num_replicas or num_replicas} can."
        )
    logging.info(
        "%d replicas on %s: global batch %d, %d a replica",
        num_replicas,
        ", ".join(device.name for device in devices),
        config.batch_size,
        config.batch_size // num_replicas,
    )
    if num_replicas == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in devices])


@contextmanager
def precision(config: TrainerConfig) -> Iterator[None]:
    """Sets the configured precision for layers built within the context."""
    name = chosen_precision(config)
    logging.info("Precision: %s", name)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name if name == "float32" else f"mixed_{name}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def chosen_precision(config: TrainerConfig) -> str:
    """Returns the configured precision, or for `auto` the one that is fastest here."""
    if config.precision != "auto":
        return config.precision
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    if capabilities and min(capabilities) >= _FIRST_WITH_BFLOAT16:
        return "bfloat16"
    if capabilities and min(capabilities) >= _FIRST_WITH_FLOAT16:
        return "float16"
    # MobileNetV2 was measured to be slower in bfloat16 on a processor that has it: most of its time
    # goes to convolutions by channel.
    has_backbone = isinstance(config.network, TransferConfig)
    if not capabilities and not has_backbone and _processor_has_bfloat16():
        return "bfloat16"
    return "float32"


def _processor_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 by itself; elsewhere it is slower than float32."""
    flags = _PROCESSOR.read_text().split() if _PROCESSOR.exists() else []
    return not _BFLOAT16_FLAGS.isdisjoint(flags)
