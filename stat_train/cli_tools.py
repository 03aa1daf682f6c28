"""The commands beside the run: profiles, the tutor, prompts and the teacher's cache."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class ProfileGroup(TyperGroup):
    """`profile RECIPE` builds a recipe's profile; `profile show` and `profile diff` read finished ones."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["of", *args])


profile_app = typer.Typer(
    cls=ProfileGroup,
    no_args_is_help=True,
    help="`profile RECIPE`: build the Missing-Skill-Profile of a recipe. Or show one, or compare two.",
)
prompts_app = typer.Typer(
    no_args_is_help=True, help="The prompt templates: list, show with real rows, check."
)
cache_app = typer.Typer(no_args_is_help=True, help="The teacher's answers on disk.")
tutor_app = typer.Typer(
    invoke_without_command=True,
    help="`tutor --port N`: serve the embedded tutor to any OpenAI client. Or write its domain's data.",
)


def keys(
    key: Annotated[str, typer.Argument(help="A section or key, such as sft or teacher.mode.")] = "",
    markdown: Annotated[bool, typer.Option("--markdown", help="As the page docs/keys.md.")] = False,
) -> None:
    """List what may stand in a recipe: every key with its values, default and meaning."""
    from stat_train.errors import UserError
    from stat_train.recipe_keys import page, recipe_sections

    if markdown and key:
        raise UserError("keys: --markdown writes the whole page; leave KEY out")
    if markdown:
        typer.echo(page(), nl=False)
        return
    for section in recipe_sections(key):
        if section.told:
            typer.echo(f"\n# {section.told}.")
        for its in section.keys:
            typer.echo(f"{f'{its.path}: {its.default}'.strip()}    ({its.values})\n    {its.meaning}")


ProfileFile = Annotated[Path, typer.Argument(help="A profile.json.")]


Examples = Annotated[int, typer.Option(min=0, help="Ids of questions to name beside each skill.")]


@profile_app.command()
def show(file: ProfileFile, examples: Examples = 0) -> None:
    """Show a profile: which skills are missing, how often, with intervals."""
    from rich.console import Console

    from stat_train.metacognition.profile import MissingSkillProfile
    from stat_train.metacognition.show import profile_table

    Console().print(profile_table(MissingSkillProfile.read(file), examples=examples))


@profile_app.command()
def diff(before: ProfileFile, after: ProfileFile) -> None:
    """What improved and what was forgotten between two profiles."""
    from rich.console import Console

    from stat_train.metacognition.profile import MissingSkillProfile
    from stat_train.metacognition.profile_diff import diff as profile_changes
    from stat_train.metacognition.show import diff_table

    Console().print(
        diff_table(profile_changes(MissingSkillProfile.read(before), MissingSkillProfile.read(after)))
    )


RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe: a YAML file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Overrides, such as prompts_dir=my_prompts."),
]


@prompts_app.command("list")
def list_prompts(recipe: RecipeFile, overrides: Overrides = None) -> None:
    """The tasks and the student, and the file that each is rendered from."""
    from stat_train.pipeline.opening import open_prompts, student_template
    from stat_train.pipeline.prompt_examples import STUDENT
    from stat_train.recipe_file import read_recipe
    from stat_train.run import content_hash
    from stat_train.teacher.prompts import TASKS

    read = read_recipe(recipe, overrides or ())
    prompts = open_prompts(read)
    for task in TASKS:
        typer.echo(f"{task:16} {prompts.hash(task)[:8]}  {prompts.path(task)}")
    path = student_template(read).path
    typer.echo(f"{STUDENT:16} {content_hash(path)[:8]}  {path}")


@prompts_app.command("show")
def show_prompt(
    task: Annotated[str, typer.Argument(help="A task of `prompts list`.")],
    recipe: RecipeFile,
    overrides: Overrides = None,
    example: Annotated[
        int,
        typer.Option(
            min=0,
            help="Which question of validation, or of the pool for synthesize and rewrite; 0 is the first.",
        ),
    ] = 0,
) -> None:
    """A prompt as it would be sent, with a real row."""
    from stat_train.pipeline.prompt_examples import shown_prompt
    from stat_train.recipe_file import read_recipe

    for message in shown_prompt(read_recipe(recipe, overrides or ()), task, example):
        typer.echo(f"--- {message['role']} ---\n{message['content']}\n")


@prompts_app.command("check")
def check_prompts(recipe: RecipeFile, overrides: Overrides = None) -> None:
    """Render every template with a real row: undefined names, missing blocks and answer fields.

    Then render all that a run would ask, and compare the longest with teacher.context.
    """
    from stat_train.pipeline.context import check_context
    from stat_train.pipeline.opening import open_prompts
    from stat_train.pipeline.prompt_examples import (
        STUDENT,
        also_shown,
        check_student_template,
        prompt_contexts,
    )
    from stat_train.recipe_file import read_recipe

    read = read_recipe(recipe, overrides or ())
    prompts = open_prompts(read)
    prompts.check_names(read.student.template)
    for task, context in prompt_contexts(read, 0).items():
        prompts.check(task, context, also_shown(read, task))
        typer.echo(f"{task:16} ok  {prompts.path(task)}")
    typer.echo(f"{STUDENT:16} ok  {check_student_template(read)}")
    for line in check_context(read):
        typer.echo(line)


@cache_app.command()
def stats() -> None:
    """How many answers of which teacher and task are kept, and their tokens."""
    with _opened_cache() as cache:
        for row in cache.stats():
            tokens = f"{row.prompt_tokens:,} + {row.completion_tokens:,} tokens"
            typer.echo(f"{row.name} ({row.model})  {row.task:16} {row.replies:,} answers  {tokens}")
        typer.echo(f"{cache.path}")


@cache_app.command()
def export(out: Annotated[Path, typer.Argument(help="A JSONL file to write.")]) -> None:
    """Write all answers as JSON lines, oldest first."""
    from stat_train.data.jsonl import write_jsonl

    with _opened_cache() as cache:
        typer.echo(f"{write_jsonl(out, cache.export()):,} answers written to {out}")


@cache_app.command()
def prune(
    older_than_days: Annotated[float, typer.Option(min=0, help="Delete answers older than so many days.")],
    task: Annotated[str, typer.Option(help="Of this task only.")] = "",
    model: Annotated[str, typer.Option(help="Of this model only.")] = "",
) -> None:
    """Delete old answers; they would be asked and paid for again."""
    with _opened_cache() as cache:
        deleted = cache.prune(older_than_days=older_than_days, task=task, model=model)
    typer.echo(f"{deleted:,} answers deleted")


def _opened_cache() -> Any:
    from contextlib import closing

    from stat_train.pipeline.opening import teacher_cache
    from stat_train.teacher.cache import Cache

    return closing(Cache(teacher_cache()))


@tutor_app.callback()
def tutor(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where to listen, on this machine only.")
    ] = 8765,
) -> None:
    """Serve the embedded tutor; it answers the templates' tasks in school arithmetic only."""
    if ctx.invoked_subcommand is None:
        from stat_train.tutor.server import serve

        typer.echo(f"teacher.endpoint=http://127.0.0.1:{port}/v1   (Ctrl-C stops)", err=True)
        serve(port)


Size = Annotated[int, typer.Option(min=1, help="Questions in the split.")]


@tutor_app.command("data")
def tutor_data(
    out: Annotated[Path, typer.Argument(help="The folder to write to.")],
    pool: Annotated[int, typer.Option(min=1, help="Questions in the training pool.")] = 3000,
    skew: Annotated[float, typer.Option(min=0, help="0: all skills equally frequent.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    validation: Size = 300,
    development: Size = 200,
    test: Size = 600,
    ood: Size = 300,
) -> None:
    """Write the splits of the arithmetic domain as JSONL files."""
    from stat_train.data.writing import write_examples
    from stat_train.pipeline.data import generate_splits
    from stat_train.recipe import TutorOptions

    sizes = TutorOptions(
        pool=pool,
        skew=skew,
        seed=seed,
        validation=validation,
        development=development,
        test=test,
        ood=ood,
    )
    for split, examples in generate_splits(sizes).items():
        count = write_examples(out / f"{split}.jsonl", examples)
        typer.echo(f"{out / f'{split}.jsonl'}: {count:,} questions")
