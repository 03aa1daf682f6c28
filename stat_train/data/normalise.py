"""One spelling for questions that differ only in typography."""

import re
import unicodedata

SYMBOLS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": "\\times", "·": "\\cdot", "÷": "\\div",
    "≤": "\\le", "≥": "\\ge", "≠": "\\ne", "π": "\\pi", "°": "^\\circ", "√": "\\sqrt", "∞": "\\infty",
    "⁄": "/", "‘": "'", "’": "'", "“": '"', "”": '"', "±": "\\pm", "∠": "\\angle", "θ": "\\theta",
}  # fmt: skip
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿ", "0123456789-n")
SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿ]+")
SYMBOL = re.compile("|".join(map(re.escape, SYMBOLS)))
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
SAME_COMMAND = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "geq": "ge", "neq": "ne",
    "lbrace": "{", "rbrace": "}", "lt": "<", "gt": ">", "ldots": "dots", "cdots": "dots", "dotsc": "dots",
}  # fmt: skip
NO_COMMAND = frozenset(
    ("left", "right", "bigl", "bigr", "big", "displaystyle", "textstyle", "quad", "qquad", "rm", "bf", "it")
)
FONT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}")
COMMAND = re.compile(r"\\([a-z]+)\*?|\\[\s!,;:()\[\]]|\\([$%&#_{}])|\$|~|\*\*(?=[a-z])|(?<=[a-z.:?!])\*\*")
COMMA_GROUP = re.compile(r"(?<=\d)(?:\{,\}|,)(?=\d{3}(?!\d))")
SPACE = re.compile(r"\s+")
SPACE_OUTSIDE_NUMBERS = re.compile(r"(?<!\d) | (?!\d)")
LONE_BRACES = re.compile(r"\{(\w|\\[a-z]+)\}")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
TOKEN = re.compile(r"\\?[^\W\d_]+|\d+(?:\.\d+)?|[^\s\w]")
ENDING = " .,;:?!"


def normalise_question(text: str) -> str:
    """The key by which two questions are the same.

    Unicode NFKC, case, white space (kept only between digits), `$` and other math delimiters, LaTeX
    spelling (`\\dfrac`, `\\left`, spacing, `\\text`, braces around one character), thousands' commas
    and closing punctuation make no difference.
    """
    return normalise_readable(readable(text))


def normalise_readable(text: str) -> str:
    """`normalise_question` of a text that is `readable` already."""
    key = SPACE_OUTSIDE_NUMBERS.sub("", text)
    while (bare := LONE_BRACES.sub(r"\1", key)) != key:
        key = bare
    return key.strip(ENDING)


def readable(text: str) -> str:
    """As `normalise_question`, but with the words still apart."""
    if NOT_ASCII.search(text):
        text = SUPERSCRIPT.sub(lambda match: f"^{{{match[0].translate(SUPERSCRIPTS)}}}", text)
        text = unicodedata.normalize("NFKC", SYMBOL.sub(lambda match: f"{SYMBOLS[match[0]]} ", text))
        text = SYMBOL.sub(lambda match: f"{SYMBOLS[match[0]]} ", text)
    text = COMMAND.sub(_command, FONT.sub(r" \1 ", text.casefold()))
    return SPACE.sub(" ", COMMA_GROUP.sub("", text)).strip()


def mask_numbers(key: str) -> str:
    """A normalised question with every number made the same."""
    return NUMBER.sub("0", key)


def words(text: str) -> list[str]:
    """Words, numbers and LaTeX commands of a readable text, without punctuation."""
    return [token for token in TOKEN.findall(text) if token[-1].isalnum()]


def _command(match: re.Match[str]) -> str:
    name = match[1]
    if name is None:
        escaped: str | None = match[2]
        return "" if escaped is None or escaped == "$" else escaped
    if name in NO_COMMAND:
        return " "
    same = SAME_COMMAND.get(name, name)
    return f"\\{same}" if same.isalpha() else same
