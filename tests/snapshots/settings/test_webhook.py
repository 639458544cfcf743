"""The webhook's URL: a secret that no text of ours contains, and that must be one."""

from __future__ import annotations

import pytest

from core.snapshots.errors import SettingsError
from core.snapshots.settings.schema import load
from core.snapshots.worker.client import environment

URL = "https://discord.com/api/webhooks/1/s3cret"
VARIABLE = "BACKUP_DISCORD_ALERT_WEBHOOK_URL"


def test_the_url_is_never_shown() -> None:
    """Whoever knows it can write into its channel."""
    settings = load(None, {VARIABLE: URL})
    assert settings.discord.alert_webhook_url == URL
    assert "s3cret" not in repr(settings)
    assert "alert_webhook_url='***'" in repr(settings)


@pytest.mark.parametrize(
    "value",
    [
        "discord.com/api/webhooks/1/s3cret",
        "http://discord.com/api/webhooks/1/s3cret",
        "https:///api/webhooks/1/s3cret",
        "https://discord.com:port/api/s3cret",
        "https://discord.com/api/webhooks/1/ s3cret",
        "ftp://discord.com/s3cret",
    ],
)
def test_what_is_no_webhook_is_refused_without_showing_it(value: str) -> None:
    """A mistyped secret is a secret too."""
    with pytest.raises(SettingsError, match="must be a webhook's URL") as caught:
        load(None, {VARIABLE: value})
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in str(caught.value.to_wire())
    assert VARIABLE in str(caught.value)


@pytest.mark.parametrize("value", ["", URL, "http://localhost:8080/hook", "http://127.0.0.1/hook"])
def test_a_webhook_or_none_is_taken(value: str) -> None:
    """Without encryption only on this machine."""
    assert load(None, {VARIABLE: value}).discord.alert_webhook_url == value


def test_no_worker_gets_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no use for it, and its environment can be read."""
    monkeypatch.setenv(VARIABLE, URL)
    assert VARIABLE not in environment()
