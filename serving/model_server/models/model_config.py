"""The list of models to serve: what is legal in it, and what it comes to."""

from __future__ import annotations

from pathlib import Path

from tensorflow_serving.config.model_server_config_pb2 import (
    ModelConfig,
    ModelConfigList,
    ModelServerConfig,
    ModelType,
)

from serving.model_server.errors import failed_precondition, invalid_argument
from serving.model_server.models.source import ModelSource
from serving.model_server.options import ServerOptions
from serving.model_server.text_proto import read_text_proto

_PLATFORM = "tensorflow"


def read_model_config(options: ServerOptions) -> ModelServerConfig:
    """Reads the configured file, or makes the list of the one model that flags name.

    Raises:
        ServingError: the file cannot be read.
    """
    if options.model_config_file:
        return read_text_proto(options.model_config_file, ModelServerConfig())
    config = ModelServerConfig()
    config.model_config_list.config.add(
        name=options.model_name, base_path=options.model_base_path, model_platform=_PLATFORM
    )
    return config


def check_model_config(new: ModelServerConfig, current: ModelServerConfig | None) -> None:
    """Refuses what TensorFlow Serving refuses.

    Args:
        new: the configuration wanted.
        current: the one that it is to replace; None at the start.

    Raises:
        ServingError: with its code and message.
    """
    if new.WhichOneof("config") == "custom_model_config":
        if current is not None:
            raise failed_precondition(
                "Cannot transition to requested config. It is only legal to transition from one "
                "ModelConfigList to another."
            )
        raise invalid_argument("ModelServer does not yet support custom model config.")
    names = set()
    for config in new.model_config_list.config:
        if config.name in names:
            raise invalid_argument(
                f"Illegal to list model {config.name} multiple times in config list"
            )
        names.add(config.name)
        platform = _platform_of(config)
        if platform != _PLATFORM:
            raise invalid_argument(f"Model {config.name} requests unsupported platform {platform}")
        if not config.base_path:
            raise invalid_argument(f"Expected model {config.name} to have a base_path.")


def sources_of(models: ModelConfigList) -> list[ModelSource]:
    """Returns where each model's versions lie."""
    return [
        ModelSource(config.name, Path(config.base_path), config.model_version_policy)
        for config in models.config
    ]


def _platform_of(config: ModelConfig) -> str:
    if config.model_type != ModelType.MODEL_TYPE_UNSPECIFIED:
        if config.model_platform:
            raise invalid_argument(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and "
                "ModelServerConfig::model_platform."
            )
        if config.model_type != ModelType.TENSORFLOW:
            raise invalid_argument(
                f"ModelServerConfig::model_type choice {config.model_type} not supported."
            )
        return _PLATFORM
    if not config.model_platform:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform."
        )
    return str(config.model_platform)
