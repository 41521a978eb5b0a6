"""Moving pictures."""

from __future__ import annotations

import io

from PIL import Image


def gif_bytes(images: list[Image.Image], duration: int) -> bytes:
    """A GIF that begins again and again, `duration` ms a frame.

    All frames have the 256 colours of the first, the middle and the last: one palette each takes several times as long.
    """
    chosen = [images[place] for place in sorted({0, len(images) // 2, len(images) - 1})]
    width, height = (max(sizes) for sizes in zip(*(image.size for image in chosen), strict=True))
    sheet = Image.new("RGB", (width, height * len(chosen)))
    for place, image in enumerate(chosen):
        sheet.paste(image, (0, height * place))
    palette = sheet.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    first, *others = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    buffer = io.BytesIO()
    # Pillow joins equal frames, adding their times: an agent that waits is seen to wait.
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=duration, loop=0)
    return buffer.getvalue()
