"""Which contact an event belongs to."""

from typing import Any

# Reference: contact_id "takes priority over all other identifiers". The order of the rest is undocumented.
PRIORITY = ("contact_id", "email_id", "ext_id", "phone_id", "whatsapp_id", "landline_number_id")
"""Identifiers, the one that decides first."""


class Contacts:
    """The contacts that events named so far, with their identifiers."""

    def __init__(self) -> None:
        self._ids: dict[str, dict[str, int]] = {name: {} for name in PRIORITY[1:]}
        # Those that were sent; the others are all from 1 to the last that was given, and need no memory.
        self._sent: set[int] = set()
        self._given = 0

    def find(self, identifiers: dict[str, Any]) -> int:
        """Attribute identifiers to a contact, made on first sight.

        The first known identifier decides. The contact then learns the others, unless another has them.

        :param identifiers: The identifiers of an event.
        :return: The contact's id.
        """
        named: int | None = identifiers.get("contact_id")
        if named is not None:
            self._sent.add(named)
            contact_id = named
        else:
            known = (self._ids[name].get(identifiers[name]) for name in PRIORITY if name in identifiers)
            found = next((each for each in known if each is not None), None)
            contact_id = self._make() if found is None else found
        for name, value in identifiers.items():
            if name in self._ids:
                self._ids[name].setdefault(value, contact_id)
        return contact_id

    def like(self, text: str) -> set[int]:
        """Find contacts by their id, alone or as ``#7``, or by a part of another identifier in any case.

        :param text: What to look for.
        """
        part = text.casefold()
        found = {
            contact_id for ids in self._ids.values() for value, contact_id in ids.items() if part in value.casefold()
        }
        number = text.removeprefix("#")
        if number.removeprefix("-").isdecimal() and self._is_known(int(number)):
            found.add(int(number))
        return found

    def _is_known(self, contact_id: int) -> bool:
        return contact_id in self._sent or 1 <= contact_id <= self._given

    def _make(self) -> int:
        self._given += 1
        while self._given in self._sent:
            self._given += 1
        return self._given
