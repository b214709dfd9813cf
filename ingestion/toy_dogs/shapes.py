"""Filled polygons, of which a toy dog is made: how they are moved and how they are painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from ingestion.toy_dogs.colours import Colour, tinted
from ingestion.toy_dogs.geometry import Points

Marks: TypeAlias = tuple[tuple[Points, Colour], ...]

_EDGE_SHADE = 0.66  # brightness of a shape's edge


@dataclass(frozen=True)
class Shape:
    """One filled polygon of a dog.

    Attributes:
        outline: Its corners.
        fill: Its colour.
        marks: Polygons and their colours, painted inside the outline only.
        furry: Whether it gets the breed's fur.
    """

    outline: Points
    fill: Colour
    marks: Marks = ()
    furry: bool = False


def placed(
    shapes: Sequence[Shape],
    at: Points | tuple[float, float],
    *,
    scale: float = 1.0,
    turn: float = 0.0,
    mirrored: bool = False,
    pivot: Points | tuple[float, float] = (0.0, 0.0),
) -> list[Shape]:
    """Moves shapes with their marks.

    Args:
        shapes: What to move.
        at: Where the pivot goes.
        scale: How much larger they become, around the pivot.
        turn: How far they are turned around the pivot, in radians, clockwise as seen.
        mirrored: Whether left and right are then swapped.
        pivot: The point of the shapes that stays what it is.

    Returns:
        The shapes in their new place.
    """
    cos, sin, side = np.cos(turn), np.sin(turn), -1.0 if mirrored else 1.0
    # Transposed, because points are rows.
    matrix = np.array([[side * cos, sin], [-side * sin, cos]]) * scale
    offset = np.array(at) - np.array(pivot) @ matrix
    return [
        replace(
            shape,
            outline=shape.outline @ matrix + offset,
            marks=tuple((outline @ matrix + offset, fill) for outline, fill in shape.marks),
        )
        for shape in shapes
    ]


def paint(picture: Image.Image, shape: Shape, edge_px: int) -> None:
    """Fills a shape, its marks clipped to it, and draws its edge a little darker.

    Args:
        picture: What is painted on, RGB.
        shape: The shape, in pixels.
        edge_px: Width of the edge, in pixels.
    """
    if shape.marks:
        mask = Image.new("L", picture.size, 0)
        polygon(ImageDraw.Draw(mask), shape.outline, 255)
        inside = Image.new("RGB", picture.size, shape.fill)
        draw = ImageDraw.Draw(inside)
        for outline, fill in shape.marks:
            polygon(draw, outline, fill)
        picture.paste(inside, mask=mask)
    else:
        polygon(ImageDraw.Draw(picture), shape.outline, shape.fill)
    edge = [tuple(point) for point in np.concatenate([shape.outline, shape.outline[:1]])]
    ImageDraw.Draw(picture).line(edge, fill=tinted(shape.fill, _EDGE_SHADE), width=edge_px)


def polygon(draw: ImageDraw.ImageDraw, outline: Points, fill: Colour | int) -> None:
    """Fills a polygon.

    Args:
        draw: What is drawn on.
        outline: The polygon's corners, in pixels.
        fill: A colour, or a grey level.
    """
    draw.polygon(outline.ravel().tolist(), fill=fill)
