"""PostgreSQL connection strings, parsed as libpq does: a URL, or ``host=db dbname=game user='the bot'``.

Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING. What drivers add is accepted: the
scheme may name a driver (``postgresql+asyncpg://``), ``ssl`` stands for ``sslmode``, and options that libpq does not
know are ignored, because they are meant for the driver.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

__all__ = ["parse_conninfo", "without_secrets"]

_KNOWN_TEXT = """
host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout client_encoding
options application_name fallback_application_name keepalives keepalives_idle keepalives_interval keepalives_count
tcp_user_timeout gssencmode sslmode sslnegotiation sslcompression sslcert sslkey sslpassword sslcertmode sslrootcert
sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version ssl_max_protocol_version krbsrvname gsslib
gssdelegation service target_session_attrs load_balance_hosts
"""
_KNOWN = frozenset(_KNOWN_TEXT.split())
_OTHER_NAMES = {"database": "dbname", "ssl": "sslmode"}
_SSL_WORDS = {"true": "require", "1": "require", "yes": "require", "false": "disable", "0": "disable", "no": "disable"}
_URL = re.compile(r"postgres(?:ql)?(?:\+\w+)?://(?P<rest>.*)", re.DOTALL)
_PAIR = re.compile(
    r"\s*(?P<name>\w+)\s*=\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<plain>(?:[^\s\\']|\\.)*))(?=\s|$)", re.S
)
_HOST = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?")


def parse_conninfo(text: str) -> dict[str, str]:
    """Return the parameters of a connection string under libpq's names; raise ValueError without any of its text."""
    url = _URL.fullmatch(text.strip())
    found = _from_url(url["rest"]) if url else _from_pairs(text.strip())
    for name, other in _OTHER_NAMES.items():
        if name in found:
            found.setdefault(other, found.pop(name))
    if "sslmode" in found:
        found["sslmode"] = _SSL_WORDS.get(found["sslmode"].lower(), found["sslmode"])
    for value in found.values():
        if re.search(r"[\0\r\n]", value):
            raise ValueError("a value has a line break or a zero byte in it")
    _check_ports(found)
    return {name: value for name, value in found.items() if name in _KNOWN and value}


def without_secrets(parameters: dict[str, str]) -> str:
    """Return the address in these parameters as a message may show it: user, hosts, ports and database."""
    hosts = parameters.get("host", "").split(",")
    ports = parameters.get("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    addresses = [host + (f":{port}" if port else "") for host, port in zip(hosts, ports, strict=False)]
    password = ":***" if parameters.get("password") else ""
    user = f"{parameters['user']}{password}@" if parameters.get("user") else ""
    return f"postgresql://{user}{','.join(addresses)}/{parameters.get('dbname', '')}"


def _from_url(rest: str) -> dict[str, str]:
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    # Passwords with an unescaped slash are common: if the text has no other meaning, they end at the last "@".
    if "@" in path and "@" not in authority and not all(_HOST.fullmatch(part) for part in authority.split(",")):
        authority, _, path = (authority + slash + path).rpartition("@")
        host, slash, path = path.partition("/")
        authority = f"{authority}@{host}"
    login, at, hosts = authority.rpartition("@")
    found: dict[str, str] = {}
    if at:
        user, colon, password = login.partition(":")
        found["user"] = _decoded(user)
        if colon:
            found["password"] = _decoded(password)
    if hosts:
        found |= _hosts(hosts)
    if path:
        found["dbname"] = _decoded(path)
    # parse_qsl would decode "+" as a space, and libpq does not.
    for name, value in parse_qsl(query.replace("+", "%2B"), keep_blank_values=True):
        found[name] = value
    return found


def _hosts(text: str) -> dict[str, str]:
    names, ports = [], []
    for part in text.split(","):
        host = _HOST.fullmatch(part)
        if host is None:
            raise ValueError("a host is not written as name, name:port or [address]:port")
        names.append(_decoded(host["v6"] if host["v6"] is not None else host["name"]))
        ports.append(host["port"] or "")
    found = {"host": ",".join(names)} if any(names) else {}
    return found | ({"port": ",".join(ports)} if any(ports) else {})


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("its percent-encoding is not UTF-8") from None


def _from_pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    offset = 0
    while offset < len(text):
        pair = _PAIR.match(text, offset)
        if pair is None:
            raise ValueError("it is neither a URL nor a list of name=value")
        value = pair["quoted"] if pair["quoted"] is not None else pair["plain"]
        found[pair["name"]] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        offset = pair.end()
    if not found:
        raise ValueError("it is empty")
    return found


def _check_ports(found: dict[str, str]) -> None:
    ports = found.get("port", "").split(",")
    if any(port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536) for port in ports):
        raise ValueError("a port is a number from 1 to 65535")
    hosts = found.get("host", "").split(",")
    if len(ports) > 1 and len(ports) != len(hosts):
        raise ValueError("there are more ports than hosts, or fewer")
