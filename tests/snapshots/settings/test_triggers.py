"""Triggers: which events ask for a snapshot, and templates that cannot go wrong while the game runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.errors import SettingsError
from core.snapshots.settings.schema import Settings, defaults, load
from core.snapshots.settings.triggers import placeholders

GOOD = 'event = "member_join"\nreason = "join_{member.id}"\nfields = ["member"]\n'


def from_text(folder: Path, text: str) -> Settings:
    """Load settings from a file with this text and an empty environment."""
    path = folder / "backup.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, {})


def refused(folder: Path, text: str) -> SettingsError:
    """Return the error of a file with these triggers, which names the file, the path in it and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        from_text(folder, text)
    error = caught.value
    assert str(error).startswith(str(folder / "backup.toml"))
    assert error.key in str(error)
    assert error.allowed in str(error)
    return error


def test_the_five_game_events_are_the_default() -> None:
    """The events and reasons are the public ones that hosts write into their code."""
    assert {(trigger.event, trigger.reason) for trigger in defaults().triggers} == {
        ("pack_opened", "pack_opening_user_{user_id}"),
        ("marketplace_listed", "marketplace_listing_{card_id}"),
        ("marketplace_sold", "marketplace_buy_{card_id}"),
        ("pack_published", "pack_published_{pack_id}"),
        ("pack_purchased", "pack_purchase_{pack_id}"),
    }
    conditions = {trigger.event: (trigger.field, trigger.any_of) for trigger in defaults().triggers if trigger.field}
    assert conditions == {"pack_opened": ("rarities", ("legendary", "epic", "mythic"))}


def test_an_empty_list_means_no_triggers(tmp_path: Path) -> None:
    """A host that wants no event snapshots can say so."""
    assert from_text(tmp_path, "triggers = []").triggers == ()


def test_one_event_can_have_several_reasons(tmp_path: Path) -> None:
    """An event may be looked at in more than one way."""
    other = GOOD.replace("join_", "welcome_")
    assert len(from_text(tmp_path, f"[[triggers]]\n{GOOD}[[triggers]]\n{other}").triggers) == 5 + 2


def test_a_reason_needs_no_fields(tmp_path: Path) -> None:
    """A reason can be the same text each time; doubled braces stand for themselves."""
    text = '[[triggers]]\nevent = "season_end"\nreason = "season {{end}}"\n'
    assert from_text(tmp_path, text).triggers[5].fields == ()


@pytest.mark.parametrize(
    ("text", "key", "why"),
    [
        (
            'event = "x"\nreason = "y_{user_id}"\nfields = ["card_id"]',
            "reason",
            "{user_id} is a field that never comes",
        ),
        (
            'event = "x"\nreason = "y_{user.id}"\nfields = ["user_id"]',
            "reason",
            "{user.id} is a field that never comes",
        ),
        ('event = "x"\nreason = "y_{user_id}"', "reason", "of which there are none"),
        ('event = "x"\nreason = "y_{a"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_a}"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_{}"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_{0}"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_{a!r}"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_{a:>9}"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_{a:{a}}"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_{a[0]}"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_{a._b}"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_{a.__class__}"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_{_a}"\nfields = ["_a"]', "reason", "{names}"),
        ('event = "x"\nreason = "y_{ a }"\nfields = ["a"]', "reason", "{names}"),
        ('event = "x"\nreason = " "', "reason", "{names}"),
        ('event = "x"\nreason = 5', "reason", "{names}"),
        ('event = "pack opened"\nreason = "y"', "event", "an event's name"),
        ('event = "on_member_join"\nreason = "y"', "event", 'without "on_"'),
        ('event = ""\nreason = "y"', "event", "an event's name"),
        ('event = "x"\nreason = "y"\nfields = "a"', "fields", "a list"),
        ('event = "x"\nreason = "y"\nfields = ["a", "a-b"]', "fields[1]", "a name from the event's payload"),
        ('event = "x"\nreason = "y"\nfields = ["a", "a"]', "fields", "each field once"),
        (
            'event = "x"\nreason = "y"\nfields = ["a"]\nfield = "b"\nany_of = ["z"]',
            "field",
            "one of the trigger's fields, a",
        ),
        ('event = "x"\nreason = "y"\nfields = ["a"]\nany_of = ["z"]', "any_of", "no field for it to look at"),
        ('event = "x"\nreason = "y"\nfields = ["a"]\nfield = "a"', "any_of", "at least one text"),
        ('event = "x"\nreason = "y"\nfields = ["a"]\nfield = "a"\nany_of = [5]', "any_of[0]", "a text"),
        ('event = "x"\nreason = "y"\nlabel = "z"', "label", "event, commands, buttons, reason, fields, field, any_of"),
        ('event = "x"\nreason = "y"\nfeilds = ["z"]', "feilds", "did you mean fields?"),
    ],
)
def test_a_trigger_that_could_not_work_is_refused(tmp_path: Path, text: str, key: str, why: str) -> None:
    """What would only show at the first event, or never, shows at the start instead."""
    error = refused(tmp_path, f"[[triggers]]\n{GOOD}[[triggers]]\n{text}\n")
    assert error.key == f"triggers[1].{key}"
    assert why in str(error)


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ('event = "x"', 'must be a table with a reason, like reason = "boss_{id}"'),
        ('reason = "y"', 'must be a table with an event, like event = "boss_defeated"'),
    ],
)
def test_a_trigger_needs_an_event_and_a_reason(tmp_path: Path, text: str, needed: str) -> None:
    """Half a trigger is refused by its index in the list, with an example of what is missing."""
    error = refused(tmp_path, f"[[triggers]]\n{text}\n")
    assert error.key == "triggers[0]"
    assert needed in str(error)


def test_a_trigger_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """The same event with the same reason would count each request twice."""
    error = refused(tmp_path, f"[[triggers]]\n{GOOD}[[triggers]]\n{GOOD}")
    assert error.key == "triggers[1].reason"
    assert "member_join has this reason already" in str(error)


def test_placeholders_keep_their_dots() -> None:
    """The names between the braces come in order, attributes included, doubled braces left out."""
    assert placeholders("{a}_{b.c.d}_{{e}}_{f}") == ("a", "b.c.d", "f")


@given(st.text(st.sampled_from("{}ab._[]!:0 ")))
def test_a_template_that_is_taken_can_always_be_filled(template: str) -> None:
    """No template passes that would fail, or reach something private, when an event comes."""
    try:
        names = placeholders(template)
    except ValueError:
        return
    assert not any(part.startswith("_") for name in names for part in name.split("."))
    leaf = SimpleNamespace()
    tree: dict[str, SimpleNamespace] = {}
    for name in names:
        root, *rest = name.split(".")
        place = tree.setdefault(root, SimpleNamespace())
        for part in rest:
            if not hasattr(place, part):
                setattr(place, part, SimpleNamespace())
            place = getattr(place, part, leaf)
    assert isinstance(template.format_map(tree), str)


SHOP = '[[triggers]]\ncommands = ["shop buy", "trade *"]\n'


def test_a_table_adds_to_the_five_defaults(tmp_path: Path) -> None:
    """Whoever names one more event keeps the others."""
    found = from_text(tmp_path, f"[[triggers]]\n{GOOD}").triggers
    assert found[:5] == defaults().triggers
    assert [trigger.event for trigger in found[5:]] == ["member_join"]


def test_a_table_for_one_of_the_five_takes_its_place(tmp_path: Path) -> None:
    """So a copy of the settings file is the defaults, and a changed condition is not joined by the old one."""
    own = '[[triggers]]\nevent = "pack_opened"\nreason = "opened"\n'
    found = from_text(tmp_path, own).triggers
    assert [trigger.reason for trigger in found if trigger.event == "pack_opened"] == ["opened"]
    assert len(found) == 5


@pytest.mark.parametrize("own", ["", SHOP])
def test_the_defaults_can_be_replaced(tmp_path: Path, own: str) -> None:
    """One line says that only one's own count."""
    found = from_text(tmp_path, f"replace_default_triggers = true\n{own}").triggers
    assert [trigger.source for trigger in found] == (["commands shop buy, trade *"] if own else [])


def test_the_line_that_replaces_them_stands_before_the_sections(tmp_path: Path) -> None:
    """Below a section it would be that section's key, and the error says where it belongs."""
    error = refused(tmp_path, "[discord]\nreplace_default_triggers = true\n")
    assert "at the top of the file, before the first [section]" in str(error)


def test_commands_and_buttons_need_no_reason(tmp_path: Path) -> None:
    """The reason says which command or button it was and whose, unless the owner wants another."""
    text = SHOP + '[[triggers]]\nbuttons = ["buy:*"]\n[[triggers]]\ncommands = ["sell"]\nreason = "sold_{card}"\n'
    found = from_text(tmp_path, text).triggers[5:]
    assert [trigger.reason for trigger in found] == [
        "{command}_by_{user.id}",
        "{custom_id}_by_{user.id}",
        "sold_{card}",
    ]


def test_a_field_can_be_a_path(tmp_path: Path) -> None:
    """What discord.py dispatches is an object, and what one wants to look at is in it."""
    text = (
        '[[triggers]]\nevent = "command_completion"\nreason = "x"\nfields = ["ctx"]\n'
        'field = "ctx.command.qualified_name"\nany_of = ["shop buy"]\n'
    )
    assert from_text(tmp_path, text).triggers[-1].field == "ctx.command.qualified_name"


@pytest.mark.parametrize(
    ("text", "key", "why"),
    [
        ('event = "x"\ncommands = ["y"]\nreason = "z"', "", "one of event, commands"),
        ("commands = []", ".commands", "at least one text"),
        ('commands = ["/shop"]', ".commands[0]", 'without "/"'),
        ('commands = "shop"', ".commands", "a list"),
        ('buttons = [" "]', ".buttons[0]", "custom_id"),
        ('commands = ["shop"]\nfields = ["ctx"]', ".fields", "are given (command, user, ctx, interaction)"),
        ('buttons = ["b"]\nreason = "{card}"', ".reason", "custom_id, user, interaction"),
        ('buttons = ["b"]\nfield = "card"\nany_of = ["x"]', ".field", "custom_id, user, interaction"),
        ('event = "x"\nreason = "y"\nfields = ["a"]\nfield = "a._b"\nany_of = ["z"]', ".field", "a path"),
        ('event = "x"\nreason = "y"\nfields = ["a"]\nfield = "b.c"\nany_of = ["z"]', ".field", "fields, a"),
        ('event = "backup_created"\nreason = "y"', ".event", "none of Savepoint's own"),
    ],
)
def test_a_trigger_for_commands_or_buttons_that_could_not_work_is_refused(
    tmp_path: Path, text: str, key: str, why: str
) -> None:
    """The error names the key and what is allowed, before the bot starts."""
    error = refused(tmp_path, f"[[triggers]]\n{text}\n")
    assert error.key == f"triggers[0]{key}"
    assert why in str(error)
