"""Starts the model server, and shuts it down without losing answers."""

from __future__ import annotations

import asyncio
import importlib
import logging
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.model_server.config_files import read_text_proto
from serving.model_server.config_pb2 import MonitoringConfig, SSLConfig
from serving.model_server.drain import Drain
from serving.model_server.errors import ServingError
from serving.model_server.grpc_services import ModelService, PredictionService, ReadableRequests
from serving.model_server.handlers import Handlers
from serving.model_server.metrics import Metrics
from serving.model_server.models.core import ServerCore, read_model_config
from serving.model_server.options import ServerOptions
from serving.model_server.rest.sockets import listen

if TYPE_CHECKING:
    from serving.model_server.rest.server import RestServer

logger = logging.getLogger(__name__)

_GRACE_S = 28.0
"""How long running calls may take once the server stops, after the two seconds before that."""

_LAST_WORDS_S = 2.0
"""Time for the last bytes once no call runs; gRPC would wait 20 s for idle connections."""

_MAX_REST_BODY_BYTES = 32 * 1024 * 1024
"""For JSON, whose numbers take many times their size while they are parsed."""

_LOOK_S = 0.05

_CLOSING_S = 0.2
"""Time in which both APIs cease to listen, and callers hear of it."""

_SERVICES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
_SERVICE_MODULES = ("prediction_service_pb2", "model_service_pb2")


async def serve(options: ServerOptions) -> None:
    """Serves until SIGTERM or SIGINT, then lets running calls end.

    Raises:
        ServingError: a configuration file is wrong, or no version of a model can be loaded.
        OSError: a port is taken.
    """
    _check_ports(options)
    # Threads release the GIL sooner, so that calls come in while others run.
    sys.setswitchinterval(0.001)
    stop = asyncio.Event()
    stopped = threading.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stopper(stop, stopped))
    metrics = Metrics()
    core = ServerCore(options, metrics, stopped)
    try:
        config = read_model_config(options)
        await asyncio.to_thread(core.configure, config, stopped)
        if not stop.is_set():
            await _serve_models(options, core, metrics, config, stop)
    finally:
        stopped.set()
        await asyncio.to_thread(core.close)


def _check_ports(options: ServerOptions) -> None:
    """Raises OSError if a port is taken: now, rather than once every model is loaded."""
    for api, port in (("gRPC", options.port), ("REST", options.rest_api_port)):
        if port:
            for listening in listen(options.host, port, api):
                listening.close()


def _stopper(stop: asyncio.Event, stopped: threading.Event) -> Callable[[], None]:
    def on_signal() -> None:
        stop.set()
        stopped.set()

    return on_signal


async def _serve_models(
    options: ServerOptions,
    core: ServerCore,
    metrics: Metrics,
    config: ModelServerConfig,
    stop: asyncio.Event,
) -> None:
    handlers = Handlers(core, metrics, check_method=options.enable_signature_method_name_check)
    drain = Drain()
    health = aio_health.HealthServicer()
    stop_grpc = await _start_grpc(options, core, handlers, metrics, drain, health)
    background = []
    rest: RestServer | None = None
    try:
        if options.rest_api_port:
            rest = _start_rest(options, handlers, metrics, drain)
        if options.model_config_file and options.model_config_file_poll_wait_seconds:
            background.append(asyncio.create_task(_follow_config(options, core, config)))
        await stop.wait()
        logger.info("Stopping: calls that have begun are answered, new ones refused")
    finally:
        for task in background:
            task.cancel()
        await health.enter_graceful_shutdown()
        if rest is not None:
            rest.close_after_answers()
        await drain.settle()
        closing = asyncio.gather(stop_grpc(), *([rest.stop(_GRACE_S)] if rest else []))
        await asyncio.sleep(_CLOSING_S)
        drain.refuse()
        await closing


async def _start_grpc(
    options: ServerOptions,
    core: ServerCore,
    handlers: Handlers,
    metrics: Metrics,
    drain: Drain,
    health: aio_health.HealthServicer,
) -> Callable[[], Awaitable[None]]:
    server = grpc.aio.server(
        interceptors=[ReadableRequests(drain)], options=options.channel_arguments
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(handlers, metrics), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(handlers, core), server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    names = [health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME]
    _register_services()
    reflection.enable_server_reflection([*_SERVICES, *names], server)
    credentials = _credentials(options)
    host = f"[{options.host}]" if ":" in options.host else options.host
    addresses = [f"{host}:{options.port}"] if options.port else []
    if options.grpc_socket_path:
        addresses.append(f"unix:{options.grpc_socket_path}")
    for address in addresses:
        _listen(server, address, credentials)
    await server.start()
    for service in ["", *_SERVICES]:
        await health.set(service, health_pb2.HealthCheckResponse.SERVING)
    for address in addresses:
        logger.info("Running gRPC ModelServer at %s ...", address)

    async def stop() -> None:
        stopping = asyncio.create_task(server.stop(_GRACE_S))
        while drain.busy and not stopping.done():
            await asyncio.sleep(_LOOK_S)
        await server.stop(_LAST_WORDS_S)
        await stopping

    return stop


def _register_services() -> None:
    """Registers the services' descriptors, for reflection.

    Their generated modules fail with a newer protobuf, but only after registering them.
    """
    for module in _SERVICE_MODULES:
        with suppress(AttributeError):
            importlib.import_module(f"tensorflow_serving.apis.{module}")


def _listen(
    server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None
) -> None:
    """Binds an address; raises OSError if it cannot, where some gRPC versions return 0."""
    try:
        bound = (
            server.add_insecure_port(address)
            if credentials is None
            else server.add_secure_port(address, credentials)
        )
    except RuntimeError:
        bound = 0
    if not bound:
        reason = "another program may be using it"
        if credentials is not None:
            reason += ", or --ssl_config_file's key and certificate do not fit each other"
        raise OSError(f"{address} cannot be listened on: {reason}")


def _credentials(options: ServerOptions) -> grpc.ServerCredentials | None:
    if not options.ssl_config_file:
        return None
    config = read_text_proto(options.ssl_config_file, SSLConfig())
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )


def _start_rest(
    options: ServerOptions, handlers: Handlers, metrics: Metrics, drain: Drain
) -> RestServer:
    # Imported only if needed: takes half a second.
    from serving.model_server.rest.app import METRICS_PATH, create_app
    from serving.model_server.rest.server import RestServer

    monitoring = MonitoringConfig()
    if options.monitoring_config_file:
        read_text_proto(options.monitoring_config_file, monitoring)
    prometheus = monitoring.prometheus_config
    app = create_app(
        handlers,
        drain,
        timeout_s=options.rest_api_timeout_in_ms / 1000,
        metrics=metrics,
        metrics_path=(prometheus.path or METRICS_PATH) if prometheus.enable else None,
        max_body_bytes=_MAX_REST_BODY_BYTES,
    )
    server = RestServer(options.host, options.rest_api_port)
    server.start(app)
    logger.info("Exporting HTTP/REST API at:%s:%d ...", options.host, server.port)
    return server


async def _follow_config(
    options: ServerOptions, core: ServerCore, current: ModelServerConfig
) -> None:
    """Polls the configuration file and serves the models it lists."""
    while True:
        await asyncio.sleep(options.model_config_file_poll_wait_seconds)
        try:
            config = read_model_config(options)
            if config != current:
                logger.info("%s has changed", options.model_config_file)
                await asyncio.to_thread(core.configure, config, threading.Event())
                current = config
        except ServingError as error:
            logger.error("Failed to reload %s: %s", options.model_config_file, error.message)
