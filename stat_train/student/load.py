"""From options to a student that answers."""

from importlib.util import find_spec
from pathlib import Path

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.hub import local_model
from stat_train.student.adapter import adapted_student
from stat_train.student.answering import Student
from stat_train.student.embedded import FOLDER, embedded_student
from stat_train.student.fingerprint import fingerprint
from stat_train.student.loading import load_tokenizer
from stat_train.student.options import StudentOptions
from stat_train.student.prompt import StudentPrompt
from stat_train.student.server_engine import ServerStudent
from stat_train.student.template import StudentTemplate
from stat_train.student.transformers_engine import TransformersStudent
from stat_train.student.vllm_engine import VllmStudent
from stat_train.wheels import cache_folder


def load_student(options: StudentOptions, model: Path | None = None) -> Student:
    """The student that `options` name; `model` is another folder to answer with (a trained arm).

    Engine `auto`: a server where `base_url` is given, vLLM where there is a CUDA GPU and vLLM is installed,
    else transformers.
    """
    engine = _engine(options)
    if engine == "server":
        return ServerStudent(StudentTemplate(_template(options)), options)
    folder = model or model_folder(options)
    prompt = student_prompt(options, folder)
    if engine == "vllm":
        return VllmStudent(folder, prompt, options)
    return TransformersStudent(folder, prompt, options.dtype, options.threads, options.max_model_len)


def model_folder(options: StudentOptions) -> Path:
    """The folder of the student's weights: the embedded one, a user's, or the hub's; adapter merged."""
    if options.model == "embedded":
        folder = embedded_student()
    else:
        folder = local_model(options.model, "student.model", "a model folder, a hub id, or embedded")
    if options.adapter is None:
        return folder
    found = fingerprint(options.adapter)
    if options.adapter_sha256 not in (None, found):
        raise UserError(
            f"student.adapter {options.adapter}: its fingerprint is {found}, not adapter_sha256 "
            f"{options.adapter_sha256}; restore the folder, or name the fingerprint of the one you want"
        )
    return adapted_student(folder, options.adapter)


def folder_here(options: StudentOptions) -> Path | None:
    """A folder with the config.json of the student's model, if it is here already; nothing is fetched."""
    if options.model == "embedded":
        folder = cache_folder() / FOLDER
        return folder if folder.is_dir() else None
    if Path(options.model).expanduser().is_dir():
        return Path(options.model).expanduser()
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(options.model, "config.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def student_prompt(options: StudentOptions, folder: Path) -> StudentPrompt:
    """The one rendering of the student's prompt, with the tokenizer of `folder`."""
    return StudentPrompt(load_tokenizer(folder), _template(options), options.plain)


def _template(options: StudentOptions) -> Path:
    return options.template or asset("prompts/student.jinja")


def _engine(options: StudentOptions) -> str:
    if options.engine != "auto":
        return options.engine
    if options.base_url:
        return "server"
    if find_spec("vllm") is None:
        return "transformers"
    import torch

    return "vllm" if torch.cuda.is_available() else "transformers"
