"""The errors a user is meant to read."""


class UserError(Exception):
    """Input that cannot be used. The message is one line: file, row, field, and the mend."""


class Unfinished(Exception):
    """A run that stopped cleanly before its end (owed rows, a budget, an interrupt).

    What was finished is committed; the one-line message says how to go on.
    """


class Interrupted(Unfinished):
    """A run that the user stopped (Ctrl-C)."""
