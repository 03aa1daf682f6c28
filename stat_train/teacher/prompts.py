"""The prompt templates: one a task, edited by users, rendered in a sandbox."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    Undefined,
    meta,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup
from pydantic import BaseModel

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.teacher import schemas
from stat_train.teacher.request import Message
from stat_train.teacher.schemas import Answer

REQUIRED_BLOCKS: dict[type[Answer], tuple[str, ...]] = {
    schemas.DiscoverSkills: ("question",),
    schemas.ClusterSkills: ("count", "fine_skill"),
    schemas.LabelSkills: ("skill", "question"),
    schemas.Diagnose: ("skill", "question", "response"),
    schemas.Judge: ("response", "reference"),
    schemas.Synthesize: ("skill", "reference_question", "reference_solution", "count"),
    schemas.Solve: ("question",),
    schemas.Rewrite: ("question", "solution"),
}
TASKS = {schema.task: schema for schema in REQUIRED_BLOCKS}

_ROLES = ("system", "user")
_TAG = re.compile(r"[a-z][a-z0-9_]*")
_BYTE_ORDER_MARK = "\ufeff"
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def escaped(text: str) -> str:
    """Text as it stands in a block."""
    return text.translate(_ESCAPES)


def block(text: str | int, tag: str, id: str) -> Markup:
    """`<tag id="id">escaped text</tag>`: the only way for data to enter a prompt. Whole numbers are text."""
    if not _TAG.fullmatch(tag):
        raise ValueError(f"block tag {tag!r}: use lower-case letters, digits and underscores")
    if isinstance(text, Undefined):
        str(text)  # raises, with the name
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str):
        raise TypeError(f'block <{tag} id="{id}">: the text is {type(text).__name__}, not a string')
    return Markup(f'<{tag} id="{str(id).translate(_ESCAPES)}">{escaped(text)}</{tag}>')


def refuse_unsent(tree: nodes.Template, path: Path | str) -> None:
    """UserError for text of the parsed template that stands in no block, so that no message would hold it.

    Blank lines, comments and macros may stand there.
    """
    line = next(_unsent_lines(tree), None)
    if line is not None:
        raise UserError(f"{path}:{line}: text outside {{% block %}} is not sent; move it into a block")


def _unsent_lines(node: nodes.Node) -> Iterator[int]:
    for inner in node.iter_child_nodes():
        if isinstance(inner, nodes.Block | nodes.Macro | nodes.AssignBlock):
            continue
        if isinstance(inner, nodes.TemplateData):
            text = inner.data.replace(_BYTE_ORDER_MARK, "")
            if text.strip():
                yield inner.lineno + text[: len(text) - len(text.lstrip())].count("\n")
        elif isinstance(inner, nodes.Include) or (
            isinstance(node, nodes.Output) and isinstance(inner, nodes.Expr)
        ):
            yield inner.lineno
        else:
            yield from _unsent_lines(inner)


NEARLY = 0.8
"""Likeness of two names (difflib) from which one is taken for the other, mistyped."""


class Prompts:
    """The packaged templates (prompts/), single files overridden by those in `folder`.

    Everything that is not a `block` is escaped too, so no text of a data set can open or close a tag.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        folder = None if folder is None else Path(folder)
        if folder is not None and not folder.is_dir():
            raise UserError(f"prompts_dir: {folder} is not a folder")
        self._folder = folder
        folders = [asset("prompts")] if folder is None else [folder, asset("prompts")]
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folders),
            undefined=StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["block"] = block

    def path(self, task: str) -> Path:
        """The file that `task` is rendered from."""
        return Path(str(self._template(task).filename))

    def check_names(self, student: Path | None = None) -> None:
        """UserError for a template of the folder, but the `student`'s own, whose name is nearly that of a
        packaged one: it would not be used."""
        from difflib import get_close_matches

        packaged = [path.stem for path in asset("prompts").glob("*.jinja")]
        for path in sorted(self._folder.glob("*.jinja")) if self._folder else ():
            near = get_close_matches(path.stem, packaged, 1, NEARLY)
            if near and path.stem not in packaged and path != student:
                raise UserError(
                    f"{path}: no task has this name, so that it would not be used; is it {near[0]}? If not, "
                    "give it a name less alike"
                )

    def hash(self, task: str) -> str:
        """sha256 of the template and of all it includes or extends."""
        self._template(task)
        digest, pending, seen = hashlib.sha256(), [f"{task}.jinja"], set[str]()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            source, _, _ = self._environment.loader.get_source(self._environment, name)  # type: ignore[union-attr]
            digest.update(f"{name}\0{source}\0".encode())
            references = meta.find_referenced_templates(self._environment.parse(source))
            pending.extend(sorted(reference for reference in references if reference))
        return digest.hexdigest()

    def render(self, task: str, **context: Any) -> list[Message]:
        """The system and user messages of `task`; UserError names file and line of an undefined name."""
        template = self._template(task)
        try:
            variables = template.new_context(context)
            for _ in template.root_render_func(variables):  # binds top-level macros and inherited blocks
                pass
            return [
                Message(role=role, content="".join(variables.blocks[role][0](variables)).strip())
                for role in _ROLES
            ]
        except (TemplateError, TypeError, ValueError) as error:
            raise UserError(f"{_place(template, error)}: {error}") from None

    def check(self, task: str, context: dict[str, Any], also: Sequence[str] = ()) -> None:
        """Renders with a real row and proves that all required blocks, those `also` asked for, and answer
        fields occur, and that no text stands where it is not sent.

        UserError names the file and line.
        """
        path = self.path(task)
        refuse_unsent(self._environment.parse(path.read_text(encoding="utf-8")), path)
        text = "\n".join(message["content"] for message in self.render(task, **context))
        schema = TASKS[task]
        for tag in (*REQUIRED_BLOCKS[schema], *also):
            if not re.search(rf'<{tag} id="[^"]*">', text):
                raise UserError(
                    f"{self._block_place(task)}: no <{tag}> block in the prompt; "
                    f"add {{{{ ... | block('{tag}', id) }}}}"
                )
        for field in _field_names(schema):
            if not re.search(rf"\b{field}\b", text):
                raise UserError(f"{self._block_place(task)}: the answer's field {field!r} is never named")

    def _template(self, task: str) -> Template:
        if task not in TASKS:
            raise UserError(f"no prompt task {task!r}; the tasks are {', '.join(TASKS)}")
        try:
            template = self._environment.get_template(f"{task}.jinja")
        except TemplateSyntaxError as error:
            raise UserError(f"{error.filename or error.name}:{error.lineno}: {error.message}") from None
        except (TemplateError, OSError, UnicodeDecodeError) as error:
            raise UserError(f"{task}.jinja: {error}") from None
        source = Path(str(template.filename)).read_text(encoding="utf-8")
        for role in _ROLES:
            if role not in template.blocks and "extends" not in source:
                raise UserError(
                    f"{template.filename}:1: no {{% block {role} %}}; a template has two, system and user"
                )
        return template

    def _block_place(self, task: str) -> str:
        path = self.path(task)
        lines = path.read_text(encoding="utf-8").splitlines()
        line = next((n for n, text in enumerate(lines, 1) if re.search(r"block\s+user", text)), 1)
        return f"{path}:{line}"


def _place(template: Template, error: Exception) -> str:
    """File and line of the template where `error` arose, read from the frames of jinja's compiled code."""
    place, frame = f"{template.filename}:1", error.__traceback__
    while frame is not None:
        source = frame.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(source, Template):
            place = f"{source.filename}:{source.get_corresponding_lineno(frame.tb_lineno)}"
        frame = frame.tb_next
    return place


def _field_names(model: type[BaseModel]) -> Iterable[str]:
    for name, field in model.model_fields.items():
        yield name
        for inner in getattr(field.annotation, "__args__", ()):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _field_names(inner)
