"""The bounds of batching, as `--batching_parameters_file` gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from serving.model_server.config_files import BatchingParameters
from serving.model_server.errors import invalid_argument
from serving.model_server.options import default_threads


@dataclass(frozen=True)
class BatchingOptions:
    """How large batches may grow and how long they may wait."""

    max_batch_size: int = 1000
    batch_timeout_s: float = 0.0
    max_enqueued_batches: int = 10
    num_batch_threads: int = field(default_factory=default_threads)
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0

    @classmethod
    def from_proto(cls, proto: BatchingParameters) -> BatchingOptions:
        """Reads a `BatchingParameters` file's message.

        Raises:
            ServingError: a number is out of bounds, or allowed sizes are not in order.
        """
        given: dict[str, int] = {
            name: getattr(proto, name).value
            for name in (
                "max_batch_size",
                "max_enqueued_batches",
                "num_batch_threads",
                "max_execution_batch_size",
            )
            if proto.HasField(name)
        }
        for name, value in given.items():
            if value < 1:
                raise invalid_argument(f"{name} must be positive; was {value}")
        timeout_us = proto.batch_timeout_micros.value
        if timeout_us < 0:
            raise invalid_argument(f"batch_timeout_micros must be non-negative; was {timeout_us}")
        options = cls(
            batch_timeout_s=timeout_us / 1e6,
            allowed_batch_sizes=tuple(proto.allowed_batch_sizes),
            pad_variable_length_inputs=proto.pad_variable_length_inputs,
            enable_large_batch_splitting=proto.enable_large_batch_splitting.value,
            **given,
        )
        allowed = options.allowed_batch_sizes
        if any(after <= before for before, after in pairwise(allowed)):
            raise invalid_argument("allowed_batch_sizes entries must be monotonically increasing")
        if allowed and allowed[-1] != options.largest_run:
            raise invalid_argument(
                "final entry in allowed_batch_sizes must equal max_batch_size when "
                "enable_large_batch_splitting is False, and max_execution_batch_size otherwise"
            )
        return options

    @property
    def largest_run(self) -> int:
        """Examples that a session is given at once, at most."""
        if self.enable_large_batch_splitting and self.max_execution_batch_size:
            return min(self.max_execution_batch_size, self.max_batch_size)
        return self.max_batch_size
