r"""The letters of options, A to J, in an answer.

One that begins a phrase is a word and no letter: "A decrease", "I and II", the B of "(A) B cells". Letters in
lower case count where they open the answer: "(b)", "b) a cat".
"""

import re

FUNCTION_WORD = (
    r"(?i:is|are|was|were|be|has|had|have|does|did|may|might|could|would|should|shall|must|seems?|looks|works"
    r"|and|or|nor|but|because|since|as|if|unless|when|where|which|that|than|though|although|so|then|thus|hence"
    r"|therefore|for(?!\s+loop)|by|in|on|of|to|from|with|without|at|under|due|based|according|given\s+(?:that|the)"
    r"|rather|instead|not|only|too|also|alone|again|after|among|out|both|all|each|either|neither|maybe|perhaps"
    r"|possibly|probably|definitely|certainly|indeed|vs|versus|the|this|it|we|you|here)(?![\w-])"
)
NUMERALS = r"[Ii](?:\s*[,&/]\s*|\s+)(?:(?:and|or|nor)\s+)?(?:[IVX]{2,}|[ivx]{2,}|[VXvx])\b"
PHRASE = re.compile(rf"[AIai]\s+(?!{FUNCTION_WORD})[a-z][a-z-]|{NUMERALS}")
OPTION_TEXT = re.compile(
    rf"(?:[A-J](?:\s+|-)(?!{FUNCTION_WORD})[^\W\d_](?:[^\W\d_]|-)|A\s+\$?[0-9]|{NUMERALS}"
    r"|I\s+(?:only|am|have|had|did|would|could|should|may|might|must)\b)"
)
TEXT_COMMAND = r"\\(?:text|textbf|mathrm|mathbf)\{"
BEFORE_OPTION_TEXT = re.compile(
    rf"[\s*$]*+(?:[()\].:*}}]|[-–—]\s)(?:[\s)\].:*$}}\"“‘'_(\[~–—-]|\\[\s,;])*+(?:{TEXT_COMMAND}\s*+)?"
)
LETTER = re.compile(r"(?<![A-Za-z0-9\\])([A-J])(?![A-Za-z0-9'’])")
LEAD = rf"[\s(\[*$]*+(?:{TEXT_COMMAND})?+(?i:(?:option|choice)\s+)?+[\s(\[*]*+"
HEADING_TEXT = re.compile(LEAD + OPTION_TEXT.pattern)
OPENING = re.compile(rf"{LEAD}([A-J])(?:[\s)\]}}.:*$].*)?", re.DOTALL)
LOWER_OPENING = re.compile(rf"{LEAD}([a-j])(?![A-Za-z0-9'’])[)\]]?")
LOWER_LABEL = re.compile(rf"{LEAD}([a-j])(?:[)\]]|[.:](?=\s)|(?=[\s*$.:]*$))")
MAYBE = r"maybe|perhaps|possibly|even|else|also|option|choice"
WORDS = r"[\s)\]*$.:]*+(?:[^\s()]++\s++)"
TEXT_BETWEEN = rf"(?:{WORDS}{{1,12}}or|[\s)\]*$.:]*+(?!{FUNCTION_WORD})(?:[^\s(),]++\s++){{1,5}}and)\b"
LOWER_BESIDE = re.compile(
    r"(?:[\s)\]*$.]*+(?:(?:or|and|vs)\b|[;/&|]|[,(](?!\s*[ai]\s+[a-z]{2})|(?=[a-j]\)))"
    rf"(?:[\s(\[*$,/]|(?:or|and|{MAYBE})\b)*+"
    rf"|{TEXT_BETWEEN}(?:[\s(\[*$]|(?:{MAYBE})\b)*+(?=[A-Ja-j]\)))"
    r"([A-Ja-j])(?![A-Za-z0-9'’])[)\]]?"
)
NEGATED = re.compile(r"(?:not|neither)\b", re.IGNORECASE)
LOWER_BRACKETED = re.compile(r"(?<![\w\\(])\(?([a-j])\)")
BESIDE = re.compile(
    rf"[\s()\[\]*$,;/|&]*+(?:(?:or|and|vs|versus|{MAYBE})\b\.?[\s()\[\]*$,/]*+)*+"
    rf"|{WORDS}{{1,3}}or\b(?:[\s\[(*$]|(?:{MAYBE})\b)*+"
    rf"|{TEXT_BETWEEN}(?:[\s\[*$]|(?:{MAYBE})\b)*+\("
)


def single(text: str) -> str | None:
    """The one letter that a short answer consists of or opens with: "B", "(b)", "B. Paris", "C) A cat"."""
    return _only(_lower_marked(text)) or _opening(text)


def heading(text: str) -> str | None:
    """The letter of an option that a heading names: "A. Paris", "Option B"; "A Closer Look" names none."""
    return None if HEADING_TEXT.match(text) else _only(labelled(text)) or _opening(text)


def named(answer: str) -> list[str]:
    """The letter of a marked answer, or all that stand in it."""
    lower, opening = _lower_marked(answer), _opening(answer)
    return lower or ([opening] if opening else [match[1] for match in _letters(answer)])


def offered(statement: str) -> list[str]:
    """The first letter, with those offered beside it ("B or C"); all where the first may be a word.

    None of a statement of what the answer is not.
    """
    if NEGATED.match(statement):
        return []
    if lower := labelled(statement):
        return lower
    found = _letters(statement)
    if found and PHRASE.match(statement, found[0].start()):
        return [match[1] for match in found]
    return chains(statement, found)[0] if found else []


def labelled(text: str) -> list[str]:
    """The letter whose label in lower case opens a text ("(b)", "b) a cat", "b"), with those beside it."""
    return _lower(text, LOWER_LABEL)


def chains(text: str, letters: list[re.Match[str]]) -> list[list[str]]:
    """The letters found, those side by side together."""
    found: list[list[str]] = []
    end = 0
    for match in letters:
        if found and BESIDE.fullmatch(text, end, match.start()):
            found[-1].append(match[match.lastindex or 1])
        else:
            found.append([match[match.lastindex or 1]])
        end = match.end()
    return found


def _opening(text: str) -> str | None:
    """The letter in upper case that opens a text, where it is the only one."""
    match = OPENING.fullmatch(text) if _only([found[1] for found in _letters(text)]) else None
    return match[1] if match else None


def _letters(text: str) -> list[re.Match[str]]:
    """The letters without the word that begins the first option's text; none where all are such words."""
    found = list(LETTER.finditer(text))
    if (
        len(found) > 1
        and BEFORE_OPTION_TEXT.fullmatch(text, found[0].end(), found[1].start())
        and OPTION_TEXT.match(text, found[1].start())
    ):
        del found[1]
    if _only([match[1] for match in found]) and PHRASE.match(text, found[0].start()):
        return []
    return found


def _lower(text: str, opening: re.Pattern[str]) -> list[str]:
    """The letter in lower case that opens a text, with those offered beside it."""
    match = opening.match(text)
    letters = []
    if match and not PHRASE.match(text, match.start(1)):
        while match:
            letters.append(match[1].upper())
            match = LOWER_BESIDE.match(text, match.end())
    return letters


def _lower_marked(answer: str) -> list[str]:
    """The letter in lower case that opens a marked answer, with all others in brackets."""
    letters = _lower(answer, LOWER_OPENING)
    return letters and letters + [letter.upper() for letter in LOWER_BRACKETED.findall(answer)]


def _only(letters: list[str]) -> str | None:
    return letters[0] if len(set(letters)) == 1 else None
