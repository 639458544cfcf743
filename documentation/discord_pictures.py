"""The pictures of the bot's messages in docs/discord.md: recorded by an end-to-end test, drawn by a headless Chromium.

Each picture holds the digest of what it was drawn from, so that tests can tell an old one without a browser.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cogs.backup_cog.status import drawing
from documentation import discord_page
from documentation.tables import PROJECT

__all__ = ["NAMES", "digest", "digest_of", "draw", "path_of", "record", "source_of"]

NAMES = ("panel", "chart", "list", "preview", "bar", "result", "alert", "rescue")
_PICTURES = PROJECT / "docs" / "pictures"
_RECORDED = PROJECT / "documentation" / "recorded"
_STORY = "tests/end_to_end/discord_stories/recorded/test_pictures.py"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 120.0
_CHART = "chart"
"""The picture in the status, which the bot itself draws."""
_KEY = "source"
_COLOURS = 48
"""How many a page keeps, so that its picture has less than 100 kB. The marks of the chart need more."""


def path_of(name: str) -> Path:
    """Return where the picture of a message is."""
    return _PICTURES / f"discord-{name}.png"


def source_of(name: str) -> str:
    """Return what the picture of this name is drawn from: the page of a recorded message, or the recorded chart."""
    recorded = (_RECORDED / f"{name}.json").read_text(encoding="utf-8")
    return recorded if name == _CHART else discord_page.page(json.loads(recorded))


def digest_of(picture: bytes) -> str:
    """Return the digest of what a picture was drawn from; empty if it holds none."""
    found = re.search(rb"tEXtsource\0([0-9a-f]{64})", picture)
    return found[1].decode() if found else ""


def digest(source: str) -> str:
    """Return the digest of what a picture is drawn from."""
    return hashlib.sha256(source.encode()).hexdigest()


def record() -> None:
    """Record the messages anew, by the test that compares them. Raises CalledProcessError if that fails."""
    environment = {**os.environ, "RECORD_PICTURES": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", _STORY]
    subprocess.run(command, cwd=PROJECT, env=environment, check=True)


def draw() -> None:
    """Draw the pictures that are old. Raises RuntimeError if Chromium or Pillow, which it takes, is not there."""
    if importlib.util.find_spec("PIL") is None:
        raise RuntimeError("Pillow, which this needs, is not installed: pip install -r requirements-pictures.txt")
    for name in NAMES:
        source, path = source_of(name), path_of(name)
        if not path.exists() or digest_of(path.read_bytes()) != digest(source):
            picture = drawing.draw(json.loads(source)) if name == _CHART else _drawn(source)
            path.write_bytes(_small(picture, 256 if name == _CHART else _COLOURS, digest(source)))


def _drawn(page: str) -> bytes:
    """Return a page as a PNG that is as high as the page, at twice its size."""
    browser = next((found for found in map(shutil.which, _BROWSERS) if found), None)
    if browser is None:
        raise RuntimeError("Chromium, which draws the pictures of Discord, is not installed: apt install chromium")
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "page.html", Path(name) / "page.png"
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
        command = [browser, *options, f"--user-data-dir={name}"]
        # The height is known once it is laid out: the page writes it into itself, for the first of two runs.
        measured = f"{page}<script>document.title = document.querySelector('main').offsetHeight</script>"
        source.write_text(measured, encoding="utf-8")
        laid_out = _run([*command, f"--window-size={discord_page.WIDTH},800", "--dump-dom", source.as_uri()])
        height = re.search(r"<title>(\d+)</title>", laid_out)
        if height is None:
            raise RuntimeError(f"Chromium did not lay out the page: {laid_out[:500]}")
        size = f"--window-size={discord_page.WIDTH},{height[1]}"
        _run([*command, size, "--force-device-scale-factor=2", f"--screenshot={target}", source.as_uri()])
        return target.read_bytes()


def _run(command: list[str]) -> str:
    """Return what a program prints. Raises CalledProcessError or TimeoutExpired."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS).stdout


def _small(picture: bytes, colours: int, stamp: str) -> bytes:
    """Return a PNG with so many colours at most, and the stamp in it."""
    from PIL import Image, PngImagePlugin

    texts, smaller = PngImagePlugin.PngInfo(), io.BytesIO()
    texts.add_text(_KEY, stamp)
    with Image.open(io.BytesIO(picture)) as image:
        reduced = image.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        reduced.save(smaller, "PNG", optimize=True, pnginfo=texts)
    return smaller.getvalue()
