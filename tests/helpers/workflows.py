"""GitHub's workflows outside of GitHub: the shell of every step, with expressions filled in as GitHub does.

In place of ``make`` stands a script that writes down how it was called and lets the real one check it
(``--dry-run``): what the targets do is run by .ci/run, make slurm-test and tests/export/test_release.py.
``sudo`` and ``apt-get`` are written down alone; ``aws s3 cp`` copies by boto3.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.helpers.paths import ROOT

FOLDER = ROOT / ".github" / "workflows"
TOKEN = re.compile(r"\s*('(?:[^']|'')*'|==|!=|&&|\|\||[A-Za-z_][\w.-]*(?:\(\))?|.)")
OPERATORS = {"&&": "and", "||": "or", "==": "==", "!=": "!="}

MAKE = """\
echo "make $*" >> "$TYPED"
case "$*" in *--dry-run*) ;; *SUMMARY=*) echo '| what was published |' > release.md ;; esac
exec {make} --silent --dry-run --directory {root} "$@" > /dev/null
"""
AWS = """\
import sys, pathlib, boto3
assert sys.argv[1:4] == ["s3", "cp", "--recursive"], sys.argv
bucket, _, prefix = sys.argv[4].removeprefix("s3://").partition("/")
found = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
for each in found:
    path = pathlib.Path(sys.argv[5], each["Key"].removeprefix(f"{prefix}/"))
    path.parent.mkdir(parents=True, exist_ok=True)
    boto3.client("s3").download_file(bucket, each["Key"], str(path))
sys.exit(0 if found else 1)
"""


def workflow(name: str) -> dict[str, Any]:
    """The content of a workflow."""
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))


def filled(text: str, context: Mapping[str, Any]) -> str:
    """A text with its ``${{ }}`` in it filled in."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda match: str(value_of(match[1], context)), str(text))


def value_of(expression: str, context: Mapping[str, Any]) -> Any:
    """Of an expression of names, strings, comparisons, ``&&`` and ``||``; a name without a value is empty."""
    words = []
    for token in TOKEN.findall(expression.strip()):
        if token.startswith("'"):
            words.append(repr(token[1:-1].replace("''", "'")))
        elif token in OPERATORS:
            words.append(OPERATORS[token])
        elif token == "always()":
            words.append("True")
        else:
            assert re.fullmatch(r"[a-z_]+(\.\w+)+", token), f"{token} in {expression}"
            words.append(repr(context.get(token, "")))
    return eval(" ".join(words), {"__builtins__": {}})


@dataclass
class Runner:
    """A machine that runs a workflow's steps.

    Attributes:
        folder: of the checkout.
        context: values of the expressions, such as ``inputs.checkpoint``.
    """

    folder: Path
    context: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the checkout and the programs that stand in for others."""
        programs = self.folder / "programs"
        programs.mkdir()
        (self.folder / "training").symlink_to(ROOT / "training")
        scripts = {
            "make": "#!/bin/sh\n" + MAKE.format(make=shutil.which("make"), root=ROOT),
            "sudo": '#!/bin/sh\nexec "$@"\n',
            "apt-get": '#!/bin/sh\necho "apt-get $*" >> "$TYPED"\n',
            "aws": f"#!{sys.executable}\n{AWS}",
        }
        for name, script in scripts.items():
            (programs / name).write_text(script, encoding="utf-8")
            (programs / name).chmod(0o755)
        self.summary, self.typed = self.folder / "summary.md", self.folder / "typed"

    def run(self, name: str, job: str) -> list[str]:
        """Run a job's steps in order, as GitHub's ``bash -e``; what was typed of what is replaced."""
        content = workflow(name)
        for step in content["jobs"][job]["steps"]:
            if "run" not in step or not value_of(step.get("if", "always()"), self.context):
                continue
            assert "${{" not in step["run"], "an expression in a shell's text can bring any command"
            given = {**content.get("env", {}), **step.get("env", {})}
            own = {
                **{key: filled(value, self.context) for key, value in given.items()},
                "PATH": f"{self.folder / 'programs'}:{os.environ['PATH']}",
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "TYPED": str(self.typed),
            }
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]],
                cwd=self.folder, env={**os.environ, **own}, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, f"{step['run']}: {done.stderr}"
        return self.typed.read_text(encoding="utf-8").splitlines()
