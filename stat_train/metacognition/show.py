"""The profile and the audit in the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from stat_train.metacognition.audit import Audit
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.metacognition.profile_diff import SkillChange

BAR = 10


def profile_table(profile: MissingSkillProfile, *, examples: int = 0) -> Table:
    """A line per skill that a difficult question needs: how often it is missing, with interval and bar.

    `examples` is how many ids of questions that lack it stand beside each skill.
    """
    rates = [rate for rate in profile.skills if rate.difficult]
    with_subject = any(rate.subject for rate in rates)
    asked_twice = any(rate.self_agreement is not None for rate in rates)
    table = Table(title="Missing-Skill-Profile", caption=_caption(profile), box=box.SIMPLE)
    if with_subject:
        table.add_column("subject", overflow="fold")
    table.add_column("skill", overflow="fold")
    for column in ("missing", "of", "rate", "95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", width=BAR)
    if asked_twice:
        table.add_column("agreement", justify="right", no_wrap=True)
    if examples:
        table.add_column("for example", overflow="fold")
    for rate in rates:
        low, high = rate.ci95
        cells = [
            *([rate.subject] if with_subject else []),
            rate.skill,
            str(rate.missing),
            str(rate.difficult),
            f"{rate.rate:.2f}",
            f"{low:.2f}-{high:.2f}",
            "█" * round(BAR * rate.rate),
            *([_share(rate.self_agreement)] if asked_twice else []),
        ]
        if examples:
            more = " ..." if rate.missing > examples else ""
            cells.append(", ".join(rate.example_ids[:examples]) + more)
        table.add_row(*map(Text, cells))
    return table


def diff_table(changes: Sequence[SkillChange]) -> Table:
    """A line per skill: how many of its questions lacked it before and after, and what may be said of it."""
    table = Table(
        title="What changed",
        caption="share of a skill's validation questions that lack it; unclear: the 95 % interval holds 0",
    )
    with_subject = any(change.subject for change in changes)
    if with_subject:
        table.add_column("subject", overflow="fold")
    table.add_column("skill", overflow="fold")
    for column in ("before", "after", "difference", "95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    styles = {"improved": "green", "forgotten": "red"}
    for change in changes:
        before, after = (_share(rate.lacking if rate else None) for rate in (change.before, change.after))
        difference = "-" if change.difference is None else f"{change.difference:+.2f}"
        interval = "-" if change.ci95 is None else f"{change.ci95[0]:+.2f}..{change.ci95[1]:+.2f}"
        verdict = change.status if change.clear or change.status not in styles else "unclear"
        cells = [
            *([change.subject] if with_subject else []),
            change.skill,
            before,
            after,
            difference,
            interval,
        ]
        table.add_row(*map(Text, cells), Text(verdict, style=styles.get(verdict, "")))
    return table


def audit_report(audit: Audit) -> Group:
    """The audit's figures, its least reliable skills and its proposals."""
    agreement = audit.agreement
    lines = [
        f"{agreement.n} of {audit.asked} questions labelled twice ({audit.left} without two valid answers)",
        f"same labels {agreement.same:.1%}, so about {agreement.error_rate:.1%} wrong; "
        f"Krippendorff's alpha {_share(agreement.alpha)}",
        f"names off the list {audit.off_list_rate:.1%}",
        f"skills too rare to use {len(audit.usage.rare)}, never apart {len(audit.usage.together)}",
    ]
    table = Table(title="Agreement per skill, the lowest first")
    for column in ("subject", "skill", "kappa", "questions"):
        table.add_column(column, justify="right" if column in ("kappa", "questions") else "left")
    known = [(kappa, key) for key, kappa in agreement.kappa.items() if kappa is not None]
    for kappa, key in sorted(known):
        table.add_row(*map(Text, (*key, f"{kappa:.2f}", str(audit.usage.counts.get(key, 0)))))
    proposed = [
        Text(f"{proposal.change} {' + '.join(proposal.skills)}: {proposal.reason}")
        for proposal in audit.proposals
    ]
    return Group(*map(Text, lines), table, *proposed)


def _caption(profile: MissingSkillProfile) -> str:
    without = len(profile.difficult) - len(profile.missing)
    left = f", {len(profile.undiagnosed)} without a diagnosis" if profile.undiagnosed else ""
    return f"{len(profile.difficult)} difficult questions diagnosed, {without} of them lack no skill{left}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"
