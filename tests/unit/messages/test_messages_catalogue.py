"""The catalogue is whole in both languages and keeps the rules of what people read."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.messages import catalogue
from gateway.messages.catalogue import describe, language, next_action, plural, text, texts
from gateway.messages.formatting import LANGUAGES, NO_BREAK, NO_VALUE, PLURAL_FORMS, Language
from gateway.model.clock import Instant, Trust
from gateway.model.event import Event, Severity
from gateway.model.ids import DeviceId
from gateway.model.units import UNITS

README = Path(catalogue.__file__).with_name("README.md").read_text(encoding="utf-8")
NOW = Instant(0, 0, Trust.UNSET)
EVENTS = {
    "device-lost",
    "device-back",
    "line-lost",
    "line-back",
    "link-lost",
    "link-back",
    "agent-started",
    "agent-stopping",
    "store-nearly-full",
    "store-gap",
    "clock-set",
    "identity-rejected",
    "session-taken-over",
    "device-key-lost",
    "device-key-back",
    "certificate-ends",
    "certificate-ended",
    "certificate-valid",
    "time-learned",
    "time-went-back",
    "device-fault",
    "points-lost",
    "points-back",
    "store-full",
    "store-back",
    "store-damaged",
    "store-roomy",
    "card-worn",
    "card-fresh",
    "credential",
    "reader-tamper",
    "reader-tamper-over",
    "reader-power",
    "reader-power-over",
    "reader-cable",
    "reader-cable-well",
    "reader-install",
    "reader-installed",
    "reader-insecure",
}
NEVER = re.compile(r"ошибк|девайс|шин[аыуе]\b|сайт|гейтвей|попробуйте|\berror\b", re.IGNORECASE)
PARTS = (
    "allowed-",
    "bounds-",
    "found-",
    "toml-",
    "column-",
    "source-",
    "what-",
    "diff-nothing",
    "or",
)
"""Keys of parts of sentences; everything else is a sentence."""


def _placeholders(template: str) -> set[tuple[str, str]]:
    return {(name, how or "") for _, name, how, _ in string.Formatter().parse(template) if name}


def _all_texts() -> Iterator[tuple[Language, str, str]]:
    for lang in LANGUAGES:
        for key, entry in texts(lang).messages.items():
            yield lang, key, entry.text
            if entry.next:
                yield lang, f"{key} (next)", entry.next


ALL = list(_all_texts())
IDS = [f"{lang} {key}" for lang, key, _ in ALL]


def test_keys_nouns_and_units_are_equal_in_both_languages() -> None:
    ru, en = texts("ru"), texts("en")
    assert set(ru.messages) == set(en.messages)
    assert set(ru.plurals) == set(en.plurals)
    assert set(ru.units) == set(en.units) == set(UNITS)


def test_placeholders_and_next_actions_are_equal_in_both_languages() -> None:
    english = texts("en").messages
    for key, ru in texts("ru").messages.items():
        assert _placeholders(ru.text) == _placeholders(english[key].text), key
        assert _placeholders(ru.next) == _placeholders(english[key].next), key
        assert bool(ru.next) == bool(english[key].next), key


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_plural_form_is_there_and_names_the_number(lang: Language) -> None:
    for noun, forms in texts(lang).plurals.items():
        assert tuple(forms) == PLURAL_FORMS[lang], noun
        assert all(form.count("{n}") == 1 for form in forms.values()), noun


@pytest.mark.parametrize(("lang", "key", "said"), ALL, ids=IDS)
def test_a_placeholder_says_only_what_can_be_filled(lang: Language, key: str, said: str) -> None:
    del key
    known = {"", "number", "duration", *texts(lang).plurals}
    assert {how for _, how in _placeholders(said)} <= known


@pytest.mark.parametrize(("lang", "key", "said"), ALL, ids=IDS)
def test_a_text_keeps_the_rules_of_style(lang: Language, key: str, said: str) -> None:
    assert "!" not in said
    assert not re.search(
        r"ошибк|девайс|шин[аыуе]\b|сайт|гейтвей|попробуйте|\berror\b", said, re.IGNORECASE
    )
    assert said == said.strip()
    if not key.startswith(PARTS):
        assert said.endswith("."), "a sentence ends in a full stop"
        assert said[0].isupper() or said[0] == "{"
    if lang == "ru":
        assert re.search("[а-яё]", said) or not re.sub(r"{.*?}", "", said).strip(" .:->")
        assert not re.search(r"\bВы\b|\bВам\b|\bВас\b", said)
    else:
        assert not re.search("[а-яё]", said, re.IGNORECASE)


def test_every_event_has_a_text_and_a_next_action_and_stands_in_the_readme() -> None:
    for lang in LANGUAGES:
        for key in EVENTS:
            assert texts(lang).messages[key].next, key
    for key in EVENTS:
        entry = texts("en").messages[key]
        names = sorted({name for name, _ in _placeholders(entry.text + entry.next)})
        listed = ", ".join(f"`{name}`" for name in names) or "none"
        assert f"| `{key}` | {listed} |" in README


def test_every_event_the_gateway_can_tell_has_a_text() -> None:
    rooms = Path(catalogue.__file__).parents[1]
    told = {
        key
        for file in rooms.rglob("*.py")
        for key in re.findall(r'\b(?:Event|_tell)\(\s*"([a-z-]+)"', file.read_text("utf-8"))
    }
    assert "device-lost" in told
    assert told <= EVENTS


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 приборов"),
        (1, "1 прибор"),
        (2, "2 прибора"),
        (5, "5 приборов"),
        (11, "11 приборов"),
        (14, "14 приборов"),
        (21, "21 прибор"),
        (22, "22 прибора"),
        (111, "111 приборов"),
        (1.5, "1,5 прибора"),
    ],
)
def test_a_russian_noun_agrees_with_its_number(count: float, said: str) -> None:
    assert plural(count, "device", "ru") == said


def test_an_english_noun_agrees_with_its_number() -> None:
    assert [plural(n, "device", "en") for n in (0, 1, 2)] == ["0 devices", "1 device", "2 devices"]


def test_the_offline_sentence_reads_as_the_page_of_words_has_it() -> None:
    args = {"offline_s": 2 * 3600 + 14 * 60 + 5, "room_s": 19 * 86_400}
    russian = text("state-offline", "ru", **args).replace(NO_BREAK, " ")
    assert russian == "Связи нет 2 ч 14 мин. Всё сохранено, места на 19 дней."
    english = text("state-offline", "en", **args).replace(NO_BREAK, " ")
    assert english == "No link for 2 h 14 min. All is kept, room for 19 days."


def test_an_argument_that_is_missing_is_refused_in_our_own_texts() -> None:
    with pytest.raises(KeyError):
        text("device-lost", "ru")
    with pytest.raises(KeyError):
        next_action("device-lost", "ru", device="meter-1")
    with pytest.raises(KeyError):
        text("no-such-text", "ru")


def test_a_template_reaches_nothing_inside_an_argument() -> None:
    assert text("toml-other", "en", reason="{0.__class__} {x}") == "{0.__class__} {x}"


def test_an_event_takes_its_device_and_shows_what_it_does_not_know() -> None:
    event = Event("device-lost", NOW, Severity.WARNING, DeviceId("meter-1"), {"other": 1})
    message = describe(event, "ru")
    assert message.text == "Прибор meter-1 не отвечает."
    assert message.next.endswith(f"на линии {NO_VALUE}.")
    assert message.severity is Severity.WARNING


def test_an_event_with_a_wrong_kind_of_argument_still_reads() -> None:
    event = Event("device-back", NOW, args={"device": "a", "duration_s": "long"})
    assert describe(event, "en").text == "Device a answers again, it was silent for long."


def test_an_event_of_another_version_shows_its_key() -> None:
    message = describe(Event("moon-eclipse", NOW), "ru")
    assert (message.text, message.next) == ("moon-eclipse", "")


@pytest.mark.parametrize(
    ("environ", "lang"),
    [
        ({}, "en"),
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru"}, "ru"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "run_X"}, "en"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_GB", "LC_ALL": "", "LC_MESSAGES": "ru_RU"}, "ru"),
    ],
)
def test_the_language_of_a_terminal_is_that_of_its_locale(
    environ: dict[str, str], lang: Language
) -> None:
    assert language(environ) == lang
