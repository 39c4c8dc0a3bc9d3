"""A site file gives a Site, or every mistake with its line, and never anything else."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.document import MAX_MIB
from gateway.config.loading import Draft, load, parse, read
from gateway.config.positions import MAX_DEPTH
from gateway.messages.formatting import LANGUAGES, Language
from gateway.model.errors import ConfigError

FILE = Path("sites/site.toml")

GOOD = """\
[gateway]
id = "nvr-lenina-12"
[keys]
device_key = "keys/device.key"
device_certificate = "/etc/mayak/device.pem"
[[consumer]]
id = "city"
audiences = ["operations"]
hpke_keys = ["keys/city-hpke.pub"]
sign_keys = ["keys/city-sign.pem"]
[uplink]
consumer = "city"
host = "127.0.0.1"
ca = "keys/ca.pem"
[[line]]
id = "cabinet-485"
medium = "serial"
port = "/dev/ttyUSB0"
[[device]]
id = "meter-1"
line = "cabinet-485"
driver = "modbus"
unit = 1
"""

MANY = """\
[gateway]
id = "Nvr 12"
languige = "ru"

[store]
max_mib = "a lot"
seal_every_s = 5
epoch_hours = nan
kem = "rot13"

[keys]
device_key = 7

[[consumer]]
id = "city"
audiences = []
hpke_keys = ["a.pub", 3]
sign_keys = ["a.pem"]

[[consumer]]
id = "city"
audiences = ["operations"]
hpke_keys = ["a.pub"]
sign_keys = ["a.pem"]

[uplink]
consumer = "cyti"
host = "10.0.0.1"
port = 70_000
tls = false

[[line]]
id = "net"
medium = "tcp"

[[device]]
id = "meter-1"
line = "nett"
driver = "modbus"
retries = true

[[device]]
line = "net"
driver = "modbus"

[helth]
enabled = true
"""

EXPECTED = [
    (2, "gateway.id", 'Found "Nvr 12", allowed: a name of a-z, 0-9,'),
    (3, "gateway.languige", "Unknown option `languige`; did you mean `language`? Allowed: `id`,"),
    (6, "store.max_mib", 'Found "a lot", allowed: a whole number from 16 to 1048576.'),
    (7, "store.seal_every_s", "Found 5, allowed: a number from 0.05 to 1."),
    (8, "store.epoch_hours", "Found nan, allowed: a number from 0.25 to 24."),
    (9, "store.kem", 'Found "rot13", allowed: "mlkem768-x25519" or "x25519".'),
    (11, "keys.device_certificate", "Option `device_certificate` is missing; allowed: the path of"),
    (12, "keys.device_key", "Found 7, allowed: the path of a file, in quotes."),
    (16, "consumer.audiences", "Found an empty list, allowed: a list with at least one of: a name"),
    (17, "consumer.hpke_keys", "Found 3, allowed: the path of a file, in quotes."),
    (21, "consumer.id", 'Found "city" twice: lines 15 and 21.'),
    (
        27,
        "uplink.consumer",
        'Found "cyti", but there is nothing of that name; did you mean "city"?',
    ),
    (29, "uplink.port", "Found 70000, allowed: a whole number from 1 to 65535."),
    (30, "uplink.tls", 'Found `tls = false` with host "10.0.0.1"; without TLS only this machine'),
    (38, "device.line", 'Found "nett", but there is nothing of that name; did you mean "net"?'),
    (40, "device.retries", "Found true, allowed: a whole number from 0 to 10."),
    (42, "device.id", "Option `id` is missing; allowed: a name of"),
    (46, "helth", "Unknown section `helth`; did you mean `health`? Allowed: `gateway`, `store`,"),
]


def _draft(text: str, lang: Language = "en") -> Draft:
    return parse(text.encode(), FILE, lang)


def _only(text: str, lang: Language = "en") -> tuple[int, str, str]:
    (mistake,) = _draft(text, lang).mistakes
    return mistake.line, mistake.option, mistake.message


def test_a_good_file_gives_a_site_with_paths_beside_the_file() -> None:
    site = _draft(GOOD).site
    assert site is not None
    folder = FILE.absolute().parent
    assert site.keys.device_key == folder / "keys/device.key"
    assert site.keys.device_certificate == Path("/etc/mayak/device.pem")
    assert site.store.path == folder / "var/store.db"
    assert (site.line[0].id, site.line[0].medium) == ("cabinet-485", "serial")
    assert site.device[0].retries == 1


def test_many_mistakes_are_told_at_once_each_with_its_line() -> None:
    mistakes = _draft(MANY).mistakes
    assert [(each.line, each.option) for each in mistakes] == [each[:2] for each in EXPECTED]
    for mistake, (_, _, message) in zip(mistakes, EXPECTED, strict=True):
        assert mistake.message.startswith(message)
        assert mistake.file == FILE


def test_the_same_mistakes_stand_on_the_same_lines_in_russian() -> None:
    english, russian = (_draft(MANY, lang).mistakes for lang in LANGUAGES)
    assert [(m.line, m.option) for m in russian] == [(m.line, m.option) for m in english]
    for mistake in _draft(MANY, "ru").mistakes:
        assert any("а" <= letter <= "я" for letter in mistake.message)
    assert _draft(MANY, "ru").mistakes[2].message == (
        'Найдено: "a lot"; допустимо: целое число от 16 до 1048576.'
    )


def test_a_needed_option_under_a_wrong_name_is_one_mistake() -> None:
    line, option, message = _only(GOOD.replace("device_key =", "device_kay ="))
    assert (line, option) == (4, "keys.device_kay")
    assert "did you mean `device_key`?" in message


@pytest.mark.parametrize(
    ("wrong", "line", "said"),
    [
        ('id = "a\n', 1, "a text is not closed"),
        ("id\n", 1, "`=` is expected"),
        ("a = 1\nb = ten\n", 2, "the value is not understood"),
        ("a = 1\nb = [1,\n2\n", 3, "an array is not closed"),
        ("a = 1\na = 2\n", 2, "lines 1 and 2"),
        ("[a]\n\n[a]\n", 3, "lines 1 and 3"),
        ("[a]\nb = 1\n[a.b]\n", 3, "lines 2 and 3"),
        ("a = 1\na.b = 2\n", 2, "the name was given a value before"),
        ("[[a]]\n[a]\n", 2, "the section was opened before"),
        ("[a\n", 1, "closing bracket"),
        ("a = 1 b = 2\n", 1, "one option a line"),
        ("a = {b = 1\n", 1, "braces"),
        ("a = 2024-02-31\n", 1, "no such date"),
        ('a = "\\q"\n', 1, "`\\` in quotes"),
        ("a = 1\nb = \x01\n", 2, "the value is not understood"),
        ("# \x01\n", 1, "a character that may not stand here"),
        ("= 1\n", 1, "a name is expected"),
        ("a = 1\nb = 1" + "0" * 5000 + "\n", 2, "more than 64 bits"),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(wrong: str, line: int, said: str) -> None:
    told, _, message = _only(wrong)
    assert told == line
    assert said in message


def test_a_huge_number_is_one_mistake_and_is_not_written_out() -> None:
    for option in ("max_mib", "seal_every_s"):
        line, name, message = _only(f"{GOOD}[store]\n{option} = 0x{'f' * 5000}\n")
        assert (line, name) == (GOOD.count("\n") + 2, f"store.{option}")
        assert message.startswith("Found a number of more than 64 bits, allowed:")


def test_a_text_that_is_not_utf8_is_told_with_its_line() -> None:
    (mistake,) = parse(b"a = 1\nb = '\xcf\xf0'\n", FILE, "en").mistakes
    assert (mistake.line, mistake.option) == (2, "")
    assert "UTF-8" in mistake.message


def test_a_byte_order_mark_of_a_windows_editor_does_no_harm() -> None:
    assert parse(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(), FILE, "en").site


def test_nesting_deeper_than_any_site_needs_is_refused() -> None:
    line, _, message = _only("\na = " + "[" * 100_000)
    assert line == 2
    assert str(MAX_DEPTH) in message


def test_load_raises_what_read_tells(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(GOOD, encoding="utf-8")
    assert load(file, "en").gateway.id == "nvr-lenina-12"
    file.write_text(MANY, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file, "en")
    assert caught.value.mistakes == read(file, "en").mistakes


def test_a_file_that_is_not_there_is_one_mistake_on_line_0(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "no.toml", "en")
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.option) == (0, "")
    assert mistake.message == f"There is no file {tmp_path / 'no.toml'}."


@pytest.mark.parametrize("name", [".", "a\0b"])
def test_what_cannot_be_read_is_one_mistake_on_line_0(tmp_path: Path, name: str) -> None:
    (mistake,) = read(tmp_path / name, "en").mistakes
    assert mistake.line == 0
    assert "cannot be read" in mistake.message


def test_an_endless_file_is_refused() -> None:
    (mistake,) = read(Path("/dev/zero"), "en").mistakes
    assert f"{MAX_MIB} MiB" in mistake.message


def test_a_table_in_single_brackets_is_told_how_to_write_it() -> None:
    text = GOOD.replace("[[line]]", "[line]")
    found = [m for m in _draft(text).mistakes if m.option == "line"]
    assert [m.line for m in found] == [15]
    assert found[0].message == "Found a table, allowed: tables, each under its own `[[line]]`."


def test_missing_sections_are_each_one_mistake_at_the_top() -> None:
    mistakes = _draft("").mistakes
    assert [(m.line, m.option) for m in mistakes] == [
        (1, "consumer"),
        (1, "gateway"),
        (1, "keys"),
        (1, "uplink"),
    ]
    assert mistakes[0].message == "The section `[[consumer]]` is missing."
    assert mistakes[1].message == "The section `[gateway]` is missing."


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "LOCALHOST"])
def test_plain_is_allowed_to_this_machine(host: str) -> None:
    text = GOOD.replace('host = "127.0.0.1"', f'host = "{host}"\ntls = false')
    assert _draft(text.replace('ca = "keys/ca.pem"\n', "")).site


@pytest.mark.parametrize("host", ["localhost.example.org", "0.0.0.0", "10.0.0.1", "::2"])  # noqa: S104
def test_plain_is_refused_to_any_other_machine(host: str) -> None:
    text = GOOD.replace('host = "127.0.0.1"', f'host = "{host}"\ntls = false')
    assert _only(text)[1] == "uplink.tls"


def test_tls_needs_the_authority_of_the_platform() -> None:
    line, option, _ = _only(GOOD.replace('ca = "keys/ca.pem"\n', ""))
    assert (line, option) == (11, "uplink.ca")


def test_a_value_cannot_paint_the_terminal() -> None:
    _, _, message = _only(GOOD.replace('id = "meter-1"', 'id = "\\u001b[31m\\u202e"'))
    assert message.isprintable()


def test_an_unknown_option_of_an_inline_table_has_its_own_line() -> None:
    text = dedent("""
        gateway = { id = "a",
          }
    """)
    mistakes = _draft(text).mistakes
    assert mistakes[0].line == 2


@given(st.binary(max_size=200), st.sampled_from(LANGUAGES))
def test_any_bytes_give_a_site_or_mistakes(raw: bytes, lang: Language) -> None:
    draft = parse(raw, FILE, lang)
    assert (draft.site is None) == bool(draft.mistakes)


_LINES = st.sampled_from([*GOOD.splitlines(), *MANY.splitlines()])
_SCALARS = (
    st.none().map(lambda _: "nan")
    | st.integers().map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.sampled_from(["true", "'x'", '""', "[]", "{}", "[[1]]", "07:32:00", "1979-05-27", "inf"])
)
_OPTIONS = st.sampled_from([line.split(" = ")[0] for line in GOOD.splitlines() if " = " in line])


@given(
    st.lists(_LINES | st.builds("{} = {}".format, _OPTIONS, _SCALARS), max_size=30),
    st.sampled_from(LANGUAGES),
)
def test_any_lines_of_a_site_give_a_site_or_mistakes_on_lines_of_the_file(
    lines: list[str], lang: Language
) -> None:
    draft = parse("\n".join(lines).encode(), FILE, lang)
    assert (draft.site is None) == bool(draft.mistakes)
    assert all(1 <= mistake.line <= max(len(lines), 1) for mistake in draft.mistakes)


@given(st.data())
def test_any_value_of_any_option_gives_a_site_or_a_mistake_on_its_line(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    named = ("id", "[")  # an id that changes leads others nowhere: that is told on their lines
    places = [place for place, line in enumerate(lines) if not line.startswith(named)]
    place = data.draw(st.sampled_from(places))
    option = lines[place].split(" = ")[0]
    lines[place] = f"{option} = {data.draw(_SCALARS)}"
    draft = parse("\n".join(lines).encode(), FILE, "en")
    assert draft.site or any(mistake.line == place + 1 for mistake in draft.mistakes)


SECOND = """
[[uplink]]
consumer = "desk"
host = "127.0.0.1"
port = 1884
tls = false
[[consumer]]
id = "desk"
audiences = ["operations"]
hpke_keys = ["d.pub"]
sign_keys = ["d.pem"]
"""


def _several(more: str = SECOND) -> str:
    return GOOD.replace("[uplink]", "[[uplink]]") + more


def test_one_uplink_may_stand_as_a_table_and_several_as_a_list() -> None:
    one, several = _draft(GOOD).site, _draft(_several()).site
    assert one is not None
    assert several is not None
    assert [uplink.consumer for uplink in one.uplink] == ["city"]
    assert [uplink.consumer for uplink in several.uplink] == ["city", "desk"]


def test_a_mistake_in_the_second_uplink_has_its_own_line() -> None:
    text = _several(SECOND.replace("port = 1884", "prot = 1884"))
    line, option, message = _only(text)
    assert text.split("\n")[line - 1] == "prot = 1884"
    assert (option, "did you mean `port`?" in message) == ("uplink.prot", True)


def test_two_uplinks_of_one_consumer_are_one_too_many() -> None:
    _, option, message = _only(_several(SECOND.replace('consumer = "desk"', 'consumer = "city"')))
    assert option == "uplink.consumer"
    assert 'Consumer "city" has two uplinks' in message


def test_no_uplink_at_all_is_a_mistake() -> None:
    before, _, after = GOOD.partition("[uplink]")
    assert _only("uplink = []\n" + before + after[after.index("\n[") :])[1] == "uplink"
