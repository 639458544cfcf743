"""The document of a command that failed."""

from __future__ import annotations

import msgspec

__all__ = ["ErrorDetail", "ErrorDocument", "error_document"]


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong; ``type`` is the name of the error's class, and ``code`` the same under its first name."""

    type: str
    code: str
    message: str


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of every command that fails."""

    error: ErrorDetail


def error_document(code: str, message: str) -> ErrorDocument:
    """Return the document of a failure; characters that UTF-8 cannot hold are replaced."""
    return ErrorDocument(error=ErrorDetail(type=code, code=code, message=message.encode("utf-8", "replace").decode()))
