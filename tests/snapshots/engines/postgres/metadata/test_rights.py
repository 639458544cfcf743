"""Rights as the server writes them, and the statements that lead from one to another."""

from __future__ import annotations

import pytest

from core.snapshots.engines.postgres.metadata.model import DatabaseObject
from core.snapshots.engines.postgres.metadata.restore import rights_statements
from core.snapshots.engines.postgres.metadata.rights import effective


def table(*acl: str, owner: str = "bot") -> DatabaseObject:
    """Return a table with rights, the default ones if there are none."""
    return DatabaseObject("table", "public.t", owner, acl or None)


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        (table(), table(), []),
        (table(), table("bot=arwdDxt/bot"), ['GRANT ALL ON TABLE public.t TO "bot"']),
        (table(), table("bot=arwdDxt/bot", "a=r/bot"), ['GRANT SELECT ON TABLE public.t TO "a"']),
        (table("bot=arwdDxt/bot", "=r/bot"), table(), ["REVOKE SELECT ON TABLE public.t FROM PUBLIC"]),
        (
            table("bot=arwdDxt/bot", "a=r/bot"),
            table("bot=arwdDxt/bot", "a=r*/bot", "b=r/a"),
            [
                'GRANT SELECT ON TABLE public.t TO "a" WITH GRANT OPTION',
                'GRANT SELECT ON TABLE public.t TO "b"',
            ],
        ),
        (
            table("bot=arwdDxt/bot", "a=r*/bot"),
            table("bot=arwdDxt/bot", "a=r/bot"),
            ['REVOKE GRANT OPTION FOR SELECT ON TABLE public.t FROM "a"'],
        ),
        (
            table("bot=arwdDxt/bot"),
            table("bot=arwdDxt/bot", '"A ""b"" = c/d"=w/bot'),
            ['GRANT UPDATE ON TABLE public.t TO "A ""b"" = c/d"'],
        ),
    ],
)
def test_the_statements_change_only_what_differs(
    now: DatabaseObject, then: DatabaseObject, expected: list[str]
) -> None:
    """Revokes first; whoever passes a right on got it before."""
    assert [statement.text for statement in rights_statements(now, then, 15)] == expected


def test_rights_of_an_owner_that_could_not_be_given_back_are_the_new_owners() -> None:
    """What the old owner granted is granted by the new one, and the old owner's own rights are the new one's."""
    now, then = table(owner="bot"), table("dash=arwdDxt/dash", "a=r/dash", owner="dash")
    assert [each.text for each in rights_statements(now, then, 15)] == ['GRANT SELECT ON TABLE public.t TO "a"']


def test_a_right_that_a_newer_server_added_is_no_difference_from_an_older_one() -> None:
    """MAINTAIN belongs to the default rights since 17."""
    assert {grant.privilege for grant in effective(table(), 17) - effective(table(), 16)} == {"MAINTAIN"}
