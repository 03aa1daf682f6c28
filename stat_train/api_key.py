"""The key of an endpoint, out of the environment."""

import os

from stat_train.errors import UserError


def read_api_key(variable: str, option: str) -> str:
    """The key that an environment variable holds, "" where it is not set; white space around it is no part.

    `option` is where the recipe names the variable. Raises UserError, without the value, for one that no HTTP
    header can hold: the HTTP library would quote it in its own message.
    """
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UserError(
            f"{option}: the environment variable {variable} holds a character that no key has (a line break, "
            "an accent); set it anew"
        )
    return key
