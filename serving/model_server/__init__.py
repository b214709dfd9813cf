"""Model server with TensorFlow Serving's gRPC and REST API."""
