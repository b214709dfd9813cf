"""Entry point `python -m serving.model_server`, with `tensorflow_model_server`'s flags."""

from __future__ import annotations

import os
import sys

# Before TensorFlow is imported, to silence its start-up messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from foundation.redact import log_to_standard_error, redacted
from serving.model_server.options import parse_flags, without_effect


def main() -> int:
    """Runs the server until it is stopped; returns the exit code."""
    options = parse_flags(sys.argv[1:], "python -m serving.model_server")
    import asyncio
    import logging
    import warnings

    log_to_standard_error("%(asctime)s %(levelname).1s %(message)s")
    for sentence in without_effect(sys.argv[1:]):
        logging.getLogger(__name__).warning(sentence)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    import tensorflow as tf

    if options.version:
        print(f"dogbreed model server\nTensorFlow Library: {tf.__version__}")
        return 0
    from serving.model_server.errors import ServingError
    from serving.model_server.server import serve

    try:
        asyncio.run(serve(options))
    except ServingError as error:
        print(
            f"Failed to start server. Error: {error.code.name}: {redacted(error.message)}",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
