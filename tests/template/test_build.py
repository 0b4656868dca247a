"""Do the real tools build, validate and lint the template?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = ("template.yaml", "samconfig.toml", "templates", "layers", "requirements", "functions", "statemachines")
BIN = Path(sys.executable).parent
MOST_BYTES = 30_000_000  # both layers with bytecode; each cold start unpacks them


@pytest.fixture(scope="session")
def sam(root: Path) -> Path:
    """The sam command in its own environment."""
    command = root / ".venv-sam" / "bin" / "sam"
    if not command.exists():
        missing = "no sam in .venv-sam; `make test` and `make build` install it"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return command


@pytest.fixture(scope="session")
def checkout(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that no build folder of a person is touched."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, copy / name)
    return copy


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool as `make` does: the locked uv first on PATH, nothing reported to anybody."""
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "SAM_CLI_TELEMETRY": "0"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def built(sam: Path, checkout: Path) -> Path:
    """The build folder of a real `sam build`."""
    done = run([str(sam), "build"], checkout)
    if done.returncode != 0 and "Failed to fetch" in done.stderr and os.environ.get("CI") != "true":
        pytest.skip("no package index within reach to build the layer from")
    assert done.returncode == 0, done.stderr
    return checkout / ".aws-sam" / "build"


def test_cfn_lint_finds_nothing(root: Path) -> None:
    """A misspelt property is otherwise found by CloudFormation, after the domain was made."""
    done = run([str(BIN / "cfn-lint"), "template.yaml", *map(str, sorted((root / "templates").glob("*.yaml")))], root)
    assert done.returncode == 0, done.stdout + done.stderr


def test_sam_validates(sam: Path, checkout: Path) -> None:
    """What SAM makes of its own types is checked by SAM."""
    done = run([str(sam), "validate", "--lint", "--region", "us-east-1"], checkout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_layers_hold_what_functions_import_for_both_processors(built: Path) -> None:
    """Whichever processor the parameter names, the compiled parts must be there."""
    packages = built / "DependenciesLayer" / "python"
    assert {"msgspec", "jmespath", "opensearchpy", "aws_lambda_powertools"} <= {
        each.name for each in packages.iterdir()
    }
    for processor in ("aarch64", "x86_64"):
        for module in ("msgspec/_core", "deflate/_deflate"):
            assert (packages / f"{module}.cpython-313-{processor}-linux-gnu.so").is_file(), (module, processor)
    assert list(packages.rglob("*.abi3.so")) == [], "named for no processor: one processor's replaced the other's"
    assert not (packages / "botocore").exists(), "botocore comes with the Lambda runtime"


def test_our_layer_holds_tables_and_no_samples(built: Path, root: Path) -> None:
    """Samples are evidence for tests; in Lambda they only cost time."""
    ours = built / "CoreLayer" / "python" / "usage_anomaly"
    kinds = {each.parent.name for each in (root / "layers/core/usage_anomaly/kinds").glob("*/kind.json")}
    assert {each.parent.name for each in ours.glob("kinds/*/kind.json")} == kinds
    assert list(ours.rglob("samples.jsonl")) == []


def test_layers_stay_small(built: Path) -> None:
    """At most 30 MB with bytecode: cold starts pay for each."""
    files = [
        each for layer in ("CoreLayer", "DependenciesLayer") for each in (built / layer).rglob("*") if each.is_file()
    ]
    assert sum(each.stat().st_size for each in files) <= MOST_BYTES
