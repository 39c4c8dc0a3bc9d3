"""Any bytes as answers of every profile of telegrams: values, or a FrameError."""

from __future__ import annotations

from contextlib import suppress

from drivers.profiles.reading import SHIPPED, protocol_of
from drivers.telegrams.pattern import PatternError, compiled
from drivers.telegrams.profile import read_profile
from drivers.telegrams.reader import Reader, Refuser
from drivers.telegrams.shape import Answer, Listener
from drivers.telegrams.template import TemplateError, hex_template, text_template
from drivers.telegrams.values import sample_of
from gateway.model.errors import FrameError

LANGUAGES = [
    read_profile(path).language
    for path in sorted(SHIPPED.glob("*.toml"))
    if protocol_of(path) == "serial"
]


def one(data: bytes) -> None:
    """Feed one input."""
    for language in LANGUAGES:
        refusers = [Refuser(each, language.address.default) for each in language.refusals]
        for topic in language.topics.values():
            reader = Reader(topic.reply, language.address.default)
            points = [
                language.points[name] for name, of in language.topic_of.items() if of == topic.name
            ]

            def take(telegram: bytes, reader: Reader = reader, points: list = points) -> None:  # type: ignore[type-arg]
                if (parts := reader.parts(telegram)) is not None:
                    sample_of(points, telegram, parts)

            Listener((reader.shape,), take, lambda _: None).hear(data)
            with suppress(FrameError):
                size = Answer((reader.shape,), reader.fits, None).measure(data)
                if size > 0:
                    take(data[:size])
        for refuser in refusers:
            refuser.code(data)
    text = data.decode("latin-1")
    with suppress(PatternError):
        compiled(text).fullmatch(text)
    for template in (text_template, hex_template):
        with suppress(TemplateError):
            template(text)
