"""Real servers reached in the ways an owner may write them: over TLS, and as one of several hosts."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.snapshots.engines import engine_for, probe_for
from core.snapshots.errors import DatabaseUnavailable, SettingsError
from core.snapshots.settings.conninfo import parse_conninfo
from core.snapshots.settings.database_url import parse
from demonstration import local_postgres
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import bounded
from tests.worlds.postgres_world import PostgresGame, in_thread, needs

pytestmark = pytest.mark.server

CERTIFICATE = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"


@pytest.fixture
def certificate() -> Iterator[Path]:
    """Yield a folder with a server's certificate and key, readable by the user that local servers run as."""
    with tempfile.TemporaryDirectory(prefix="certificate-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        command = ["openssl", *CERTIFICATE.split(), "-keyout", str(folder / "key.pem")]
        command += ["-out", str(folder / "certificate.pem")]
        subprocess.run(command, check=True, capture_output=True)
        user = local_postgres._user()
        if user is not None:
            os.chown(folder / "key.pem", user.pw_uid, user.pw_gid)
        yield folder


async def size_of(url: str) -> int:
    """Return the database's size, asked for as the bot's process does."""
    probe = probe_for(parse(url))
    try:
        return await probe.size()
    finally:
        await probe.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: it makes the certificate")
@pytest.mark.parametrize("major", [needs(15)])  # PyPI's servers and programs are built without TLS
def test_everything_goes_over_tls_where_it_must(tmp_path: Path, certificate: Path, major: int) -> None:
    """With the certificate checked against the name: our connections and pg_dump alike, or nothing happens at all."""
    files = {"ssl_cert_file": str(certificate / "certificate.pem"), "ssl_key_file": str(certificate / "key.pem")}
    with local_postgres.running(major, ssl="on", **files) as url:
        game = PostgresGame(url)
        game.create()
        secure = f"{game.tcp_url}?sslmode=verify-full&sslrootcert={certificate / 'certificate.pem'}"
        chain = Chain(tmp_path / "taken", engine_for(parse(secure), 1.0))
        assert chain.take(watch=bounded(60)).rows
        chain.engine.discard(chain.rebuild(), bounded(60))
        assert in_thread(lambda: size_of(secure)) > 0
        other = tmp_path / "other.pem"
        other.write_text("")
        wrong = engine_for(parse(f"{game.tcp_url}?sslmode=verify-full&sslrootcert={other}"), 1.0)
        with pytest.raises(DatabaseUnavailable):
            Chain(tmp_path / "refused", wrong).take(watch=bounded(60))
    with local_postgres.running(major) as url:
        game = PostgresGame(url)
        game.create()
        plain = engine_for(parse(f"{game.tcp_url}?sslmode=require"), 1.0)
        with pytest.raises(DatabaseUnavailable, match="SSL"):
            Chain(tmp_path / "plain", plain).take(watch=bounded(60))


def test_the_first_of_several_hosts_that_answers_is_the_server(tmp_path: Path) -> None:
    """Ours and libpq's programs go on to the next host where one does not listen."""
    game = PostgresGame()
    game.create()
    given = parse_conninfo(game.tcp_url)
    pairs = f"host=127.0.0.1,{given['host']} port=1,{given['port']} user={game.role} dbname={game.name}"
    password = given["password"].replace("\\", "\\\\")
    several = f"{pairs} password='{password}'"
    chain = Chain(tmp_path / "taken", engine_for(parse(several), 1.0))
    assert chain.take(watch=bounded(60)).rows
    chain.engine.discard(chain.rebuild(), bounded(60))
    assert in_thread(lambda: size_of(several)) > 0


@pytest.mark.parametrize("named", ["in the file", "in the URL"])
def test_an_operators_service_file_says_where_the_database_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Ours and libpq's programs read it alike; what stands in the URL comes first."""
    game = PostgresGame()
    game.create()
    given = parse_conninfo(game.url)
    name = game.name if named == "in the file" else "another"
    lines = [f"host={given['host']}", f"port={given['port']}", f"user={game.role}", f"dbname={name}"]
    (tmp_path / "services").write_text("[the_game]\n" + "\n".join(lines) + "\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    url = f"postgresql:///{'' if named == 'in the file' else game.name}?service=the_game"
    chain = Chain(tmp_path / "taken", engine_for(parse(url), 1.0))
    assert chain.take(watch=bounded(60)).rows
    chain.engine.discard(chain.rebuild(), bounded(60))
    assert in_thread(lambda: size_of(url)) > 0


@pytest.mark.parametrize("content", [None, "[another]\nhost=x\n", "no section\n"])
def test_a_service_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """A name of no service, no file at all, or one that is none: a sentence, before anything is connected."""
    if content is not None:
        (tmp_path / "services").write_text(content)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    for make in (lambda url: engine_for(url, 1.0), probe_for):
        with pytest.raises(SettingsError, match="service"):
            make(parse("postgresql:///?service=the_game"))
