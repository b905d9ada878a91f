"""Counts the lines of a text that comes in pieces."""

from __future__ import annotations


class Lines:
    """Counts lines over pieces of a text; a carriage return, a line feed and both together each end one."""

    def __init__(self) -> None:
        self.number = 1
        self._returned = False

    def feed(self, text: str) -> None:
        """Take the next piece."""
        if self._returned and text.startswith("\n"):
            self.number -= 1
        self.number += text.count("\n") + text.count("\r") - text.count("\r\n")
        if text:
            self._returned = text.endswith("\r")

    def number_at(self, text: str) -> int:
        """Return the number of the line on which the next piece ends, without taking it."""
        ahead = Lines()
        ahead.number, ahead._returned = self.number, self._returned
        ahead.feed(text)
        return ahead.number

    def with_sign(self, text: str, sign: str, most: int) -> list[int]:
        """Return the lines of the next piece that have a sign, at most so many, without taking the piece."""
        found: list[int] = []
        ahead = Lines()
        ahead.number, ahead._returned = self.number, self._returned
        place = 0
        while len(found) < most and (next_place := text.find(sign, place)) >= 0:
            ahead.feed(text[place:next_place])
            if found[-1:] != [ahead.number]:
                found.append(ahead.number)
            place = next_place
            ahead._returned = False
            ahead.feed(text[place : place + 1])
            place += 1
        return found
