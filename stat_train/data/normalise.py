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
MARKUP = ("\\", "$", "~", "**")
"""Without any of these neither FONT nor COMMAND matches."""
COMMA_GROUP = re.compile(r"(?<=\d)(?:\{,\}|,)(?=\d{3}(?!\d))")
SPACE_IN_NUMBERS = re.compile(r"(?<=\d) (?=\d)")
SHORT_FRACTION = re.compile(r"\\frac ?(\d) ?(\d)")
ONE_DIGIT_SCRIPT = re.compile(r"([\^_]) ?(?:\{ ?(\d) ?\}|(\d)) ?(?=\d)")
LONE_BRACES = re.compile(r"\{(\w|\\[a-z]+)\}")
NUMBERS = re.compile(r"\d+(?:\.\d+)?(?:, ?\d+(?:\.\d+)?)*")
WORD = re.compile(r"\\?[^\W\d_]+|\d+(?:\.\d+)?")
TOKEN = re.compile(r"\\?[^\W\d_]+|\d+(?:\.\d+)?|[^\s\w]")
ENDING = " .,;:?!"


def normalise_question(text: str) -> str:
    """The key by which two questions are the same.

    Unicode NFKC, case, white space (kept only between digits), `$` and other math delimiters, LaTeX
    spelling (`\\dfrac`, `\\left`, spacing, `\\text`, braces around one character), thousands' commas
    and closing punctuation make no difference. A script without braces is one digit, as in TeX.
    """
    return normalise_readable(readable(text))


def normalise_readable(text: str) -> str:
    """`normalise_question` of a text that is `readable` already."""
    if "^" in text or "_" in text:
        text = ONE_DIGIT_SCRIPT.sub(r"\1\2\3 ", text)
    apart = SPACE_IN_NUMBERS.sub("\0", text)
    key = apart.replace(" ", "").replace("\0", " ")
    while "{" in key and (bare := LONE_BRACES.sub(r"\1", key)) != key:
        key = bare
    return key.strip(ENDING)


def readable(text: str) -> str:
    """As `normalise_question`, but with the words still apart."""
    if NOT_ASCII.search(text):
        text = SUPERSCRIPT.sub(lambda match: f"^{{{match[0].translate(SUPERSCRIPTS)}}}", text)
        text = unicodedata.normalize("NFKC", SYMBOL.sub(lambda match: f"{SYMBOLS[match[0]]} ", text))
        text = SYMBOL.sub(lambda match: f"{SYMBOLS[match[0]]} ", text)
    text = text.casefold()
    if any(sign in text for sign in MARKUP):
        text = COMMAND.sub(_command, FONT.sub(r" \1 ", text))
    if "," in text:
        text = COMMA_GROUP.sub("", text)
    return " ".join(text.split())


def masked_key(text: str) -> str:
    """`normalise_readable` of a readable text with every number, or list of them, made the same.

    A list counts as one since (182,397) can be read as a number. Numbers are masked while their braces
    stand: \\frac{1}{2} has two, and \\frac{11}{20} too.
    """
    text = SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text) if "\\frac" in text else text
    return normalise_readable(NUMBERS.sub("0", text))


def words(text: str) -> list[str]:
    """Words, numbers and LaTeX commands of a readable text, without punctuation."""
    return WORD.findall(text)


def _command(match: re.Match[str]) -> str:
    name = match[1]
    if name is None:
        escaped: str | None = match[2]
        return "" if escaped is None or escaped == "$" else escaped
    if name in NO_COMMAND:
        return " "
    same = SAME_COMMAND.get(name, name)
    return f"\\{same}" if same.isalpha() else same
