"""What makes a list of skills unusable: duplicates, empty names, unknown parents, circles."""

from collections.abc import Sequence

from stat_train.errors import UserError
from stat_train.metacognition.skill import Skill, normalise


def check_skills(entries: Sequence[Skill], source: str) -> None:
    """Raises UserError, naming `source`, the entry and the mend, for the first fault found."""
    if not entries:
        raise UserError(f"{source}: no skills; list one at least under `skills:`")
    numbered = list(enumerate(entries, start=1))
    for number, skill in numbered:
        for word in (skill.name, *skill.aliases):
            if not normalise(word):
                raise UserError(
                    f"{source}: skill {number}: an empty name or alias; give it a name or remove it"
                )
    owners: dict[tuple[str, str], int] = {}
    subjects = {normalise(skill.subject) for skill in entries}
    for number, skill in numbered:
        own = normalise(skill.subject)
        for word in dict.fromkeys(map(normalise, (skill.name, *skill.aliases))):
            for subject in [own] if own else subjects:
                first = owners.setdefault((subject, word), number)
                if first != number:
                    raise UserError(
                        f"{source}: skill {number} {skill.name!r}: {word!r} is already the name or an alias "
                        f"of skill {first} {entries[first - 1].name!r}; merge the two or rename one"
                    )
    _check_parents(entries, source)


def _check_parents(entries: Sequence[Skill], source: str) -> None:
    places = {
        (normalise(skill.subject), normalise(skill.name)): number for number, skill in enumerate(entries)
    }

    def parent_of(number: int) -> int | None:
        skill = entries[number]
        if skill.parent is None:
            return None
        name = normalise(skill.parent)
        found = places.get((normalise(skill.subject), name), places.get(("", name)))
        if found is None:
            raise UserError(
                f"{source}: skill {number + 1} {skill.name!r}: parent {skill.parent!r} is no skill of "
                "its subject; list it or remove `parent`"
            )
        return found

    done: set[int] = set()
    for start in range(len(entries)):
        path: list[int] = []
        at: int | None = start
        while at is not None and at not in done:
            if at in path:
                circle = " -> ".join(entries[number].name for number in [*path[path.index(at) :], at])
                raise UserError(
                    f"{source}: skill {at + 1} {entries[at].name!r}: its parents go round in a circle "
                    f"({circle}); remove one `parent`"
                )
            path.append(at)
            at = parent_of(at)
        done.update(path)
