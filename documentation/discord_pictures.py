"""The pictures of the bot's messages in docs/discord.md: recorded by an end-to-end test, drawn by a headless Chromium.

Each picture holds the digest of the page that it was drawn from, so that tests can tell an old one without a browser.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from documentation import discord_page
from documentation.tables import PROJECT

__all__ = ["NAMES", "digest", "digest_of", "draw", "page_of", "path_of", "record"]

NAMES = ("panel", "list", "preview", "bar", "result", "alert", "rescue")
_PICTURES = PROJECT / "docs" / "pictures"
_RECORDED = PROJECT / "documentation" / "recorded"
_STORY = "tests/end_to_end/discord_stories/recorded/test_pictures.py"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 120.0
_KEY = "page"
_COLOURS = 48


def path_of(name: str) -> Path:
    """Return where the picture of a message is."""
    return _PICTURES / f"discord-{name}.png"


def page_of(name: str) -> str:
    """Return the page of a recorded message."""
    return discord_page.page(json.loads((_RECORDED / f"{name}.json").read_text(encoding="utf-8")))


def digest_of(picture: bytes) -> str:
    """Return the digest of the page that a picture was drawn from; empty if it holds none."""
    found = re.search(rb"tEXtpage\0([0-9a-f]{64})", picture)
    return found[1].decode() if found else ""


def digest(page: str) -> str:
    """Return the digest of a page."""
    return hashlib.sha256(page.encode()).hexdigest()


def record() -> None:
    """Record the messages anew, by the test that compares them. Raises CalledProcessError if that fails."""
    environment = {**os.environ, "RECORD_PICTURES": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", _STORY]
    subprocess.run(command, cwd=PROJECT, env=environment, check=True)


def draw() -> None:
    """Draw the recorded messages whose pictures are old. Raises RuntimeError if there is nothing to draw them with."""
    for name in NAMES:
        page, path = page_of(name), path_of(name)
        if not path.exists() or digest_of(path.read_bytes()) != digest(page):
            path.write_bytes(_small(_drawn(page), page))


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


def _small(picture: bytes, page: str) -> bytes:
    """Return a PNG with fewer colours, and the digest of its page in it."""
    try:
        from PIL import Image, PngImagePlugin
    except ImportError:
        raise RuntimeError(
            "Pillow, which makes the pictures small, is not installed: pip install -r requirements-pictures.txt"
        ) from None
    stamp, smaller = PngImagePlugin.PngInfo(), io.BytesIO()
    stamp.add_text(_KEY, digest(page))
    with Image.open(io.BytesIO(picture)) as image:
        reduced = image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        reduced.save(smaller, "PNG", optimize=True, pnginfo=stamp)
    return smaller.getvalue()
