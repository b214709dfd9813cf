"""Command `dogbreed image build`: builds the container image."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app, clear_errors
from pipeline.kubeflow.image import EngineName, Variant

image = typer.Typer(no_args_is_help=True, help="The container image of the pipeline's steps.")
app.add_typer(image, name="image")


@image.command(
    context_settings={"allow_extra_args": True},
    options_metavar="[OPTIONS] [-- FLAGS OF THE ENGINE]",
)
def build(
    context: typer.Context,
    tag: Annotated[
        str,
        typer.Option(metavar="NAME:TAG", help="The image's name, such as REGISTRY/dogbreed:0.1.0."),
    ] = "dogbreed:latest",
    variant: Annotated[
        Variant, typer.Option(help="For processors, or with NVIDIA's libraries for GPUs.")
    ] = "cpu",
    base: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help="The image to build on: Python 3.11 to 3.13 on Debian 13, Ubuntu 24.04 or newer. "
            "Default: python:3.13-slim-trixie.",
        ),
    ] = None,
    engine: Annotated[
        EngineName | None,
        typer.Option(help="What builds it. Default: the first of them that works."),
    ] = None,
) -> None:
    """Build the image that every step runs in, and TensorBoard on the cluster too.

    It takes some minutes and about 4 GB. Flags after [bold]--[/] go to docker, podman or buildah,
    such as [bold]-- --no-cache[/].
    """
    with clear_errors("No image was made."):
        from pipeline.kubeflow.image import (
            ImageOptions,
            build_image,
            check_checkout,
            find_engine,
            image_size,
        )

        check_checkout()
        console = Console()
        found = find_engine(engine)
        build_image(found, ImageOptions(tag, variant, base, tuple(context.args)), console)
        size = image_size(found, tag)
        console.print(f"Built {tag}{f', {size}' if size else ''}.", soft_wrap=True, highlight=False)
