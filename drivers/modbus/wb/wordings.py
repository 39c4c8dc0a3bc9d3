"""What an import says to the person who does it, Russian and English."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Lang = Literal["ru", "en"]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something of a template that is not in the profile, or not as it was."""

    part: str
    """Key of the kind of part: `channel`, `device`, `setup`."""
    name: str
    """Which of them; may be empty."""
    key: str
    args: Mapping[str, object] = field(default_factory=dict)
    left_out: bool = False
    """The whole of it is missing in the profile."""

    def say(self, lang: Lang) -> str:
        """Return the sentence."""
        return f"{self.what(lang)}: {say(lang, self.key, **self.args)}"

    def what(self, lang: Lang) -> str:
        """Return which part it is about."""
        return f"{say(lang, self.part)} {self.name}".strip()


TEXTS: Final[dict[str, tuple[str, str]]] = {
    # the whole file
    "unreadable": ("{file}: файл не читается: {error}", "{file}: cannot be read: {error}"),
    "jinja": (
        (
            "{file}:{line}: это шаблон Jinja ({found}): он становится JSON только на контроллере; "
            "возьмите готовый .json"
        ),
        (
            "{file}:{line}: a Jinja template ({found}), which only a controller makes JSON of; "
            "take the finished .json"
        ),
    ),
    "no-json": ("{file}:{line}: это не JSON: {error}", "{file}:{line}: this is no JSON: {error}"),
    "no-template": (
        "{file}: это не шаблон устройства: нет {missing}",
        "{file}: this is no template of a device: there is no {missing}",
    ),
    "protocol": (
        "{file}: протокол {protocol}: переносятся только шаблоны modbus",
        "{file}: protocol {protocol}: only templates of modbus can be imported",
    ),
    "nothing": (
        "{file}: ни один канал не удалось перенести",
        "{file}: not one channel can be carried over",
    ),
    "exists": (
        "{file} уже есть; чтобы заменить, добавьте --force",
        "{file} is there already; to replace it, add --force",
    ),
    "not-written": ("{file} не записан: {error}", "{file} cannot be written: {error}"),
    "done": (
        "Перенесено показаний: {points}. Не перенесено: {left}, с замечаниями: {noted}.",
        "Points carried over: {points}. Left out: {left}, with remarks: {noted}.",
    ),
    "next": (
        (
            "Дальше: сверьте с документом изготовителя, добавьте [[vector]] и проверьте: "
            "mayak profile test {file}"
        ),
        (
            "Next: compare it with the maker's document, add a [[vector]] and try it: "
            "mayak profile test {file}"
        ),
    ),
    "left-out": ("не перенесено", "left out"),
    "changed": ("замечание", "remark"),
    # parts
    "channel": ("канал", "channel"),
    "parameter": ("параметр", "parameter"),
    "template": ("шаблон", "template"),
    "device": ("прибор", "device"),
    "setup": ("setup", "setup"),
    "subdevice": ("вложенное устройство", "subdevice"),
    "groups": ("группы", "groups"),
    "translations": ("переводы", "translations"),
    # a channel or parameter that is left out
    "not-an-object": ("это не объект JSON", "this is no JSON object"),
    "no-address": ("нет адреса для чтения", "there is no address to read"),
    "bad-address": ("адрес {address} непонятен", "the address {address} cannot be understood"),
    "bad-number": ("{option} = {found}: это не число", "{option} = {found}: this is no number"),
    "reg-type": (
        "тип регистра {reg_type} не из Modbus",
        "register type {reg_type} is not of Modbus",
    ),
    "format": (
        "формат {format} в регистрах Modbus здесь не поддержан",
        "the format {format} is not supported in Modbus registers here",
    ),
    "write-only": ("только запись, показания нет", "can only be written, nothing can be read"),
    "compound": ("составной канал ({option})", "a compound channel ({option})"),
    "inner-device": ("вложенное устройство ({option})", "a device inside the device ({option})"),
    "disabled": ("выключен в шаблоне", "switched off in the template"),
    "overlaps": (
        "те же регистры, что у {other}, но прочитаны иначе",
        "lies in the registers of {other}, read in another way",
    ),
    "refused": ("в профиле так нельзя: {reason}", "a profile cannot have it: {reason}"),
    "parameter-offset": (
        "смещение параметра при записи считается иначе, чем здесь",
        "the offset of a parameter counts in another way than here",
    ),
    "writes": (
        "пишет {value} в регистр {address} при подключении; запишите это прибору один раз сами",
        "writes {value} to register {address} on connection; write it to the device once yourself",
    ),
    # remarks
    "renamed": ("называется {name}", "is called {name}"),
    "unit": (
        "единицы {unit} нет среди UCUM, показание без единицы",
        "the unit {unit} is none of UCUM here, the point has none",
    ),
    "condition": (
        "условие «{condition}» не переносится: показание есть всегда",
        "the condition {condition!r} is not carried over: the point is always there",
    ),
    "round-to": (
        "округления до {round_to} нет; меньшие изменения не сообщаются (deadband)",
        "is not rounded to {round_to}; smaller changes are not told (deadband)",
    ),
    "write-address": (
        "запись по другому адресу ({address}) не переносится: только чтение",
        "writing to another address ({address}) is not carried over: it can only be read",
    ),
    "holding-single": (
        "запись по одному регистру (код 06) невозможна для {count} регистров: код 16",
        "{count} registers cannot be written one by one (function 06): function 16 is used",
    ),
    "byte": (
        "байт записывается как весь регистр, от 0 до 255",
        "the byte is written as a whole register, 0 to 255",
    ),
    "no-sentinel": (
        "{option} = {found} не переносится",
        "{option} = {found} is not carried over",
    ),
    "limits": (
        "{option} = {found} не переносится: это граница для ввода, а не для показания",
        "{option} = {found} is not carried over: a limit of what is entered, not of what is read",
    ),
    "sporadic": (
        "событий прибора нет: опрашивается",
        "events of the device are not used: it is polled",
    ),
    "states-named": ("состояния без названий: {names}", "states without titles: {names}"),
    "button": ("кнопка без памяти: записывается как реле", "a push button: written as a switch"),
    "option": ("{option} = {found} не переносится", "{option} = {found} is not carried over"),
    "site-option": (
        "{option} = {found} не переносится; в файле площадки это {ours}",
        "{option} = {found} is not carried over; in the site file it is {ours}",
    ),
    "group-names": (
        "группы страницы настроек не переносятся: {names}",
        "groups of the settings page are not carried over: {names}",
    ),
    "hardware": (
        "подписи прошивок не переносятся: {names}",
        "signatures of firmware are not carried over: {names}",
    ),
    "languages": (
        "переводы на другие языки не переносятся: {names}",
        "translations into other languages are not carried over: {names}",
    ),
    "titles": (
        "не переносятся переводы того, что не стало показанием: {count}",
        "translations of what is no point are not carried over: {count}",
    ),
}


def say(lang: Lang, key: str, **args: object) -> str:
    """Return a text in one language."""
    return TEXTS[key][0 if lang == "ru" else 1].format(**args)


def language(asked: str | None) -> Lang:
    """Return the language asked for, else that of the terminal; Russian for ru*, else English."""
    chosen = asked or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "ru" if chosen.lower().startswith("ru") else "en"
