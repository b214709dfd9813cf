"""A user-defined network: a function in the user's module that builds a Keras model."""

from __future__ import annotations

import inspect
import traceback
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from foundation.user_function import FunctionName, load_function
from trainer.networks.base import InputSize, SizedNetworkSettings
from trainer.networks.normalise import Normalisation

if TYPE_CHECKING:
    import keras


class CustomConfig(SizedNetworkSettings):
    """A network of your own: `build` names the function that makes it."""

    source: ClassVar[str] = "docs/networks.md"

    name: Literal["custom"] = "custom"
    """The network's name."""
    build: FunctionName = Field(default="", validate_default=True)
    """Your function, as my_package.my_module:my_function. It is called with the shape `(height,
    width, channels)` of normalised pixels, float32, and the number of classes, and returns a
    keras.Model from one to a logit for each of the others: no softmax."""
    settings: dict[str, Any] = Field(default={})
    """Further arguments of that function, by keyword."""
    normalise: Normalisation = "minus_one_to_one"
    """What the network does to the pixels first; `none` leaves them in [0, 255]."""
    input_px: InputSize = (64, 64)
    """Height and width of the picture in pixels; one number stands for both."""

    def build_logits(self, pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
        """See `NetworkSettings.build_logits`.

        The layers of the user's model become layers of the network, so that layer tables, feature
        maps and Grad-CAM reach them. The last layer computes in float32 under every precision
        policy.

        Raises:
            UserError: there is no such function.
            ValueError: it returns no network for these images and classes.
        """
        import keras

        shape = tuple(pixels.shape[1:])
        model = self._call(load_function(self.build), shape, num_classes)
        if isinstance(model, keras.Sequential) and not model.built:
            model.build((None, *shape))
        inputs = getattr(model, "inputs", None)
        if not isinstance(model, keras.Model) or not inputs:
            raise ValueError(
                f"{self.build} must return a keras.Model made of layers, functional or Sequential, "
                f"not {type(model).__name__}"
            )
        taken, given = ([each.shape for each in ends] for ends in (inputs, model.outputs))
        if not _fit(taken, (None, *shape)) or not _fit(given, (None, num_classes)):
            raise ValueError(
                f"{self.build} must return a model from {(None, *shape)} to {(None, num_classes)}, "
                f"not from {_listed(taken)} to {_listed(given)}"
            )
        graph = keras.Model(inputs, model.outputs[0])  # of operations, also for a Sequential
        last = graph.operations[-1]
        alone = isinstance(last, keras.layers.Layer) and not isinstance(last, keras.Model)
        if not alone or isinstance(last.input, list):
            raise ValueError(f"{self.build} must end with a layer such as Dense")
        activation = getattr(last, "activation", None)
        if activation is keras.activations.softmax or isinstance(last, keras.layers.Softmax):
            raise ValueError(
                f"{self.build} must return logits: leave out the softmax of {last.name}"
            )
        last.dtype_policy = "float32"
        return _called_one_by_one(graph, pixels)

    def _call(self, function: Any, shape: tuple[int, ...], num_classes: int) -> Any:
        try:
            inspect.signature(function).bind(shape, num_classes, **self.settings)
        except TypeError as error:
            raise ValueError(
                f"{self.build} cannot be called with a shape, a number of classes and the settings "
                f"{', '.join(self.settings) or '(none)'}: {error}"
            ) from None
        try:
            return function(shape, num_classes, **self.settings)
        except Exception as error:  # the user's code can raise anything
            frames = traceback.extract_tb(error.__traceback__)[1:2]
            where = "".join(f" in line {frame.lineno} of {frame.filename}" for frame in frames)
            raise ValueError(
                f"{self.build} failed{where}: {type(error).__name__}: {error}"
            ) from error


def _called_one_by_one(graph: keras.Model, pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Calls each operation of a model, as calling the model would make it a single layer."""
    import keras

    answers: list[keras.KerasTensor] = []

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        answers.append(operation(*args, **kwargs))
        return answers[-1]

    keras.models.clone_model(
        graph,
        input_tensors=[pixels],
        clone_function=lambda layer: layer,
        call_function=call,
    )
    return answers[-1]


_Shape = tuple[int | None, ...]


def _fit(shapes: list[_Shape], wanted: _Shape) -> bool:
    """Returns whether there is one shape, equal to `wanted` or with sizes left open."""
    [shape, *more] = shapes
    pairs = zip(shape, wanted, strict=False)
    return not more and len(shape) == len(wanted) and all(one in (None, two) for one, two in pairs)


def _listed(shapes: list[_Shape]) -> str:
    return " and ".join(map(str, shapes))
