"""Pictures of what a run predicts: the confusion matrix, and test images with their predictions."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unikeras.sinks.base import Examples

MATRIX_PIXELS = 640
MOST_NUMBERED = 25  # classes; with more, the numbers would not fit their cells
SAMPLES, COLUMNS, TILE, CAPTION = 24, 6, 128, 34
INK, RIGHT, WRONG, FULL = (30, 30, 30), (0, 110, 50), (180, 20, 20), np.array([8, 48, 107])
FONT, SMALL = (ImageFont.load_default(size) for size in (14, 11))


def confusion_matrix(examples: Examples) -> np.ndarray:
    """H×W×3 uint8: a row per true class, a column per predicted one; the darker, the larger the share of the row."""
    names, counts = examples.class_names, _counts(examples)
    classes = len(names)
    cell = max(4, min(64, MATRIX_PIXELS // classes))
    labelled = cell >= 12
    margin = max(int(FONT.getlength(_short(name))) for name in names) + 12 if labelled else 8
    picture = Image.new("RGB", (max(220, margin + cell * classes + 8), margin + cell * classes + 24), "white")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colours = np.rint(255 + shares[:, :, None] * (FULL - 255)).astype(np.uint8)
    picture.paste(Image.fromarray(colours).resize((cell * classes,) * 2, Image.Resampling.NEAREST), (margin, margin))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((margin - 1, margin - 1, margin + cell * classes, margin + cell * classes), outline=INK)
    draw.text((margin, margin + cell * classes + 4), "rows: true class; columns: predicted", fill=INK, font=SMALL)
    if labelled:
        _name_classes(picture, names, margin, cell)
    if classes <= MOST_NUMBERED:
        _write_counts(draw, counts, shares, margin, cell)
    return np.asarray(picture)


def sample(examples: Examples) -> np.ndarray | None:
    """H×W×3 uint8: the most confident mistakes, then correct images, each with its classes; None if the inputs are no images."""
    if examples.images.ndim != 4 or examples.images.shape[-1] not in (1, 3, 4):
        return None
    found = examples.predictions
    mistakes = np.flatnonzero(~found.correct)
    mistakes = mistakes[np.argsort(-found.confidence[mistakes], kind="stable")][: SAMPLES // 2]
    order = np.concatenate([mistakes, np.flatnonzero(found.correct)[: SAMPLES - len(mistakes)]])
    rows = -(-len(order) // COLUMNS)
    picture = Image.new("RGB", (COLUMNS * (TILE + 8), rows * (TILE + CAPTION + 8)), "white")
    draw = ImageDraw.Draw(picture)
    pixels = _as_bytes(np.asarray(examples.images[order]))
    for place, index in enumerate(order):
        left, top = place % COLUMNS * (TILE + 8) + 4, place // COLUMNS * (TILE + CAPTION + 8) + 4
        picture.paste(_tile(pixels[place]), (left, top))
        is_right = bool(found.correct[index])
        true, predicted = (_short(examples.class_names[part[index]], 15) for part in (found.labels, found.predicted))
        caption = f"{predicted} {found.confidence[index]:.0%}" + ("" if is_right else f"\nis {true}")
        draw.multiline_text((left, top + TILE + 2), caption, fill=RIGHT if is_right else WRONG, font=SMALL, spacing=2)
    return np.asarray(picture)


def _counts(examples: Examples) -> np.ndarray:
    classes = len(examples.class_names)
    pairs = examples.predictions.labels * classes + examples.predictions.predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def _name_classes(picture: Image.Image, names: tuple[str, ...], margin: int, cell: int) -> None:
    draw = ImageDraw.Draw(picture)
    for index, name in enumerate(map(_short, names)):
        middle = margin + index * cell + cell // 2
        draw.text((margin - 6, middle), name, fill=INK, font=FONT if cell >= 16 else SMALL, anchor="rm")
        label = Image.new("RGB", (margin - 6, min(cell, 18)), "white")
        ImageDraw.Draw(label).text((2, label.height // 2), name, fill=INK, font=FONT if cell >= 16 else SMALL, anchor="lm")
        picture.paste(label.rotate(90, expand=True), (middle - label.height // 2, 4))


def _write_counts(draw: ImageDraw.ImageDraw, counts: np.ndarray, shares: np.ndarray, margin: int, cell: int) -> None:
    for row, column in np.argwhere(counts):
        centre = (margin + column * cell + cell // 2, margin + row * cell + cell // 2)
        colour = "white" if shares[row, column] > 0.5 else INK
        draw.text(centre, f"{counts[row, column]}", fill=colour, font=SMALL, anchor="mm")


def _tile(pixels: np.ndarray) -> Image.Image:
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
    scale = TILE / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    tile = Image.new("RGB", (TILE, TILE), (235, 235, 235))
    tile.paste(image.resize((size[0], size[1]), Image.Resampling.NEAREST), ((TILE - size[0]) // 2, (TILE - size[1]) // 2))
    return tile


def _as_bytes(images: np.ndarray) -> np.ndarray:
    """Values as 0 to 255; others than bytes from the smallest to the largest among these images."""
    if images.dtype == np.uint8:
        return images
    low, high = float(images.min()), float(images.max())
    return np.rint((images.astype(np.float64) - low) * (255 / (high - low or 1))).astype(np.uint8)


def _short(name: str, length: int = 18) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
