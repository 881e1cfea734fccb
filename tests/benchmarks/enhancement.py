"""What enhancing a picture costs and gains: seconds on a 12-megapixel photo, decibels over noise.

    python -m tests.benchmarks.enhancement --json

Seconds are CPU time of one thread, so that they hold on a busy machine too; each is the best of
--repeat. The gain is in peak signal to noise, the mean over four of the photos beside the tests
with Gaussian noise of standard deviation 5 to 40 (of 255), for each strength of denoising. Then the
same at the 260×260 pixels that the embedded tower sees of a noisy 12-megapixel photo.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from assistant.enhance import Enhancement, enhance
from assistant.images import LoadedImage, fit_within, open_image

PHOTOS = Path(__file__).parent.parent / "photos"
CHOSEN = (
    "phone-portrait-banana.jpg",
    "phone-landscape-watermelon.jpg",
    "Carrots.webp",
    "Kiwi.webp",
)
TWELVE_MEGAPIXELS = (4000, 3000)
TOWER = (260, 260)
KNOBS = {
    "denoise": Enhancement(denoise=0.5),
    "brightness": Enhancement(brightness=1.3),
    "contrast": Enhancement(contrast=1.3),
    "saturation": Enhancement(saturation=1.3),
    "sharpen": Enhancement(sharpen=1.0),
    "longest 1024": Enhancement(longest=1024),
    "longest 4096": Enhancement(longest=4096),
    "all": Enhancement(1.0, 1.3, 1.3, 1.3, 3.0, 4096),
}
NOISES = (5, 10, 20, 40)
STRENGTHS = (0.125, 0.25, 0.5, 0.75, 1.0)


def noisy(image: LoadedImage, deviation: float) -> LoadedImage:
    """`image` with Gaussian noise on every channel, the same at each call."""
    clean = np.asarray(image.pixels, dtype=np.float32)
    noise = np.random.default_rng(0).standard_normal(clean.shape, dtype=np.float32)
    grainy = np.clip(np.rint(clean + deviation * noise), 0, 255).astype(np.uint8)
    return open_image(Image.fromarray(grainy))


def decibels(one: Image.Image, other: Image.Image) -> float:
    """Peak signal to noise of two RGB pictures of one size."""
    difference = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    return float(10 * np.log10(255**2 / np.mean(difference**2)))


def seconds(image: LoadedImage, repeat: int) -> dict[str, float]:
    """Per knob, the CPU time of one call, hashing included."""
    best = {}
    for name, how in KNOBS.items():
        times = []
        for _ in range(repeat):
            started = time.process_time()
            enhance(image, how)
            times.append(time.process_time() - started)
        best[name] = round(min(times), 3)
    return best


def gains(images: list[LoadedImage]) -> dict[str, dict[str, float]]:
    """Per noise: decibels of the noisy pictures, and what each strength adds to them."""
    table = {}
    for deviation in NOISES:
        pairs = [(image, noisy(image, deviation)) for image in images]
        before = [decibels(image.pixels, grainy.pixels) for image, grainy in pairs]
        row = {"noisy": round(float(np.mean(before)), 2)}
        for strength in STRENGTHS:
            how = Enhancement(denoise=strength)
            after = [decibels(image.pixels, enhance(grainy, how).pixels) for image, grainy in pairs]
            row[str(strength)] = round(float(np.mean(after) - np.mean(before)), 2)
        table[str(deviation)] = row
    return table


def seen_by_the_tower(image: LoadedImage) -> dict[str, dict[str, float]]:
    """As `gains`, of a large photo at the size that the embedded tower sees."""

    def seen(picture: LoadedImage) -> Image.Image:
        return picture.pixels.resize(TOWER, Image.Resampling.BILINEAR)

    table = {}
    for deviation in (20, 40):
        grainy = noisy(image, deviation)
        before = decibels(seen(image), seen(grainy))
        after = decibels(seen(image), seen(enhance(grainy, Enhancement(denoise=0.25))))
        table[str(deviation)] = {"noisy": round(before, 2), "0.25": round(after - before, 2)}
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.repeat < 1:
        parser.error("--repeat must be 1 or more")
    cv2.setNumThreads(1)
    # Halved, the phone's photos lose the blocks that JPEG left and the sensor's own noise.
    images = [open_image(fit_within(open_image(PHOTOS / name).pixels, 640)) for name in CHOSEN]
    photo = open_image(PHOTOS / "phone-landscape-watermelon.jpg").pixels
    large = open_image(photo.resize(TWELVE_MEGAPIXELS, Image.Resampling.BICUBIC))
    result: dict[str, dict[str, Any]] = {
        "seconds_12_megapixels": seconds(large, given.repeat),
        "gain_decibels": gains(images),
        "gain_decibels_at_260": seen_by_the_tower(large),
    }
    if given.json:
        print(json.dumps(result))
        return
    for title, table in result.items():
        print(title.replace("_", " "))
        for name, value in table.items():
            print(f"  {name:14} {value}")


if __name__ == "__main__":
    main()
