"""The errors a user is meant to read."""


class UserError(Exception):
    """Input that cannot be used. The message is one line: file, row, field, and the mend."""


class Unfinished(Exception):
    """A run that stopped cleanly before its end (owed rows, a budget, an interrupt).

    What was finished is committed; the one-line message says how to go on.
    """


class Unreadable(UserError):
    """A teacher gave no answer that can be read."""


class Interrupted(Unfinished):
    """A run that the user stopped (Ctrl-C)."""


def one_line(error: Exception) -> str:
    """All that another library says, on one line and no longer than a line may be."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def first_line(error: Exception) -> str:
    """The first line of what another library says, or the kind of its error where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
