"""What the demo says to the person who watches, Russian and English."""

from __future__ import annotations

import os
from typing import Final, Literal

Lang = Literal["ru", "en"]

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": (
        "Маяк: площадка «{kind}», всё на этой машине",
        "Mayak: site {kind}, all on this machine",
    ),
    "starting": ("Запускается: {what}", "Starting: {what}"),
    "keys": ("ключи и сертификаты", "keys and certificates"),
    "broker": ("брокер", "broker"),
    "platform": ("платформа", "platform"),
    "twins": ("двойники приборов", "twins of the devices"),
    "agent": ("шлюз", "gateway"),
    "left": ("осталось {left} с", "{left} s left"),
    "link-up": ("Связь есть.", "The link is up."),
    "link-cut": ("Связи нет {for_s} с. Всё сохраняется.", "No link for {for_s} s. All is kept."),
    "killed": (
        "Шлюз убит (SIGKILL) и запущен снова.",
        "The gateway was killed (SIGKILL) and started again.",
    ),
    "draining": ("Досылается то, что накоплено.", "What was kept is being sent."),
    "device": ("прибор", "device"),
    "point": ("показание", "point"),
    "value": ("значение", "value"),
    "age": ("возраст", "age"),
    "seconds": ("{age}\N{NO-BREAK SPACE}с", "{age}\N{NO-BREAK SPACE}s"),
    "yes": ("да", "yes"),
    "no": ("нет", "no"),
    "no_response": ("не отвечает", "silent"),
    "frame": ("ответ испорчен", "garbled"),
    "rejected": ("отказ прибора", "refused"),
    "device_fault": ("прибор неисправен", "faulty"),
    "line_down": ("линия недоступна", "line is down"),
    "no_value": ("нет значения", "no value"),
    "out_of_range": ("вне пределов", "out of range"),
    "stale": ("устарело", "stale"),
    "unknown_state": ("неизвестное состояние", "unknown state"),
    "estimated": ("оценка прибора", "estimated"),
    "implausible": ("неправдоподобно", "implausible"),
    "none": ("нет", "none"),
    "rate": ("показаний в секунду", "readings a second"),
    "sealed": ("отправлено байт на показание", "bytes sent a reading"),
    "backlog": ("ждут отправки", "waiting to be sent"),
    "unsettled": ("отправлено, ещё не подтверждено", "sent, not acknowledged yet"),
    "acks": ("подтверждений платформы", "acknowledgements by the platform"),
    "read": ("прочитано и сохранено", "read and kept"),
    "broker-kind": ("брокер", "broker"),
    "faults": ("неисправности в игре", "faults in play"),
    "verdict-good": (
        "Ничего не потеряно и ничего не пришло дважды.",
        "Nothing was lost and nothing came twice.",
    ),
    "verdict-bad": (
        "Итог не сходится, см. таблицу.",
        "The account does not balance, see the table.",
    ),
    "produced": ("прочитано шлюзом", "read by the gateway"),
    "stored": ("записано платформой", "committed by the platform"),
    "pending": ("ещё в шлюзе", "still at the gateway"),
    "lost": ("потеряно", "lost"),
    "duplicated": ("пришло дважды", "came twice"),
    "reordered": ("не по порядку", "out of order"),
    "late": ("позже 10 с после измерения", "later than 10 s after they were measured"),
    "forgiven": (
        "не дошло из последней секунды перед SIGKILL",
        "missing from the last second before a SIGKILL",
    ),
    "served": ("ответов выдали двойники", "answers the twins gave"),
    "mute": ("приборы без единого значения", "devices without any value"),
    "bytes": ("байт на показание", "bytes a reading"),
    "kept-in": ("Файлы прогона: {folder}", "The files of this run: {folder}"),
}


def language(asked: str | None) -> Lang:
    """Return the language asked for, else that of the terminal; Russian for ru*, else English."""
    chosen = asked or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "ru" if chosen.lower().startswith("ru") else "en"


def say(lang: Lang, key: str, **args: object) -> str:
    """Return a text in one language."""
    return TEXTS[key][0 if lang == "ru" else 1].format(**args)
