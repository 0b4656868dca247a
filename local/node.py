"""How does a real OpenSearch run on this machine, without Docker?

Maven Central has the server and its modules (`requirements/opensearch/pom.xml`); `assemble` fetches them once. Every node
runs from a copy in a folder of its own, which holds its data too: on 127.0.0.1, as one node, with OpenSearch's own defaults
and the heap of a small managed instance. Nobody signs or encrypts; it is for tests and for the local machine.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local import processes
from local.processes import HOST, ROOT, NotUp

POM = ROOT / "requirements" / "opensearch" / "pom.xml"
FETCH = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
VERSION = re.findall(r"<opensearch>(.+)</opensearch>", POM.read_text("utf-8"))[0]
OLDEST_JAVA = 21
SYSTEM_JAVAS = Path("/usr/lib/jvm")
HEAP = "1g"  # t3.small.search has it: half of 2 GiB
USER = "nobody"  # where root starts it: OpenSearch refuses to be root
PATIENCE_SECONDS = 120.0

# Maven serves the modules' jars without the descriptors that the server asks for. Each: its jars, which must lie apart from the
# server's, the class that is the plugin, and the modules it extends.
MODULES = {
    "transport-netty4": (["transport-netty4-client"], "org.opensearch.transport.Netty4ModulePlugin", ""),
    "lang-painless": (
        ["lang-painless", "opensearch-scripting-painless-spi"], "org.opensearch.painless.PainlessModulePlugin", "",
    ),
    "analysis-common": (
        ["analysis-common"], "org.opensearch.analysis.common.CommonAnalysisModulePlugin", "lang-painless",
    ),
    "reindex": (["reindex-client"], "org.opensearch.index.reindex.ReindexModulePlugin", ""),
    "mapper-extras": (["mapper-extras-client"], "org.opensearch.index.mapper.MapperExtrasModulePlugin", ""),
}  # fmt: skip

SETTINGS = f"""\
discovery.type: single-node
network.host: {HOST}
transport.port: 0
node.portsfile: true
# A full disk must not stop the tests.
cluster.routing.allocation.disk.threshold_enabled: false
"""
LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1.} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""
OPTIONS = (
    f"-Xms{HEAP}", f"-Xmx{HEAP}", "-XX:+ExitOnOutOfMemoryError", "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true", "--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED",
    "-Dopensearch.distribution.type=tar", "-Dopensearch.bundled_jdk=false",
)  # fmt: skip


@contextmanager
def running() -> Iterator[str]:
    """The address of a new, empty node. It ends with the block; also when this process is killed, where Linux sees to it."""
    follow = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()
    with tempfile.TemporaryDirectory(prefix="opensearch-") as folder:
        home, log = Path(folder), Path(folder, "console.log")
        process = start(home, log, before=follow)
        try:
            yield processes.wait(process.pid, lambda: address(home), log, PATIENCE_SECONDS)
        finally:
            processes.end(process.pid)
            process.wait()


def start(home: Path, log: Path, port: int = 0, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start a node whose files all lie in the folder `home`; port 0 is any free one. `before` is put before its command."""
    command = [
        *before, str(java()), *OPTIONS, f"-Djava.io.tmpdir={home / 'tmp'}", f"-Dopensearch.path.home={home}",
        f"-Dopensearch.path.conf={home / 'config'}", "-cp", f"{home / 'lib'}/*", "org.opensearch.bootstrap.OpenSearch",
    ]  # fmt: skip
    # A copy: the checkout may lie where USER cannot look.
    shutil.copytree(assemble(), home, dirs_exist_ok=True)
    for name in ("config", "data", "logs", "plugins", "tmp"):
        (home / name).mkdir()
    (home / "config" / "opensearch.yml").write_text(f"{SETTINGS}http.port: {port}\n")
    (home / "config" / "log4j2.properties").write_text(LOGGING)
    return processes.start(command, home, log, {}, **_somebody_else(home))


def address(home: Path) -> str | None:
    """Where the node in this folder answers, once it does."""
    ports = home / "logs" / "http.ports"
    return f"http://{ports.read_text().split()[0]}" if ports.exists() else None


def assemble() -> Path:
    """Fetch what a node is made of, where it is not there yet; returns its folder. Raises NotUp with the remedy."""
    made_of = hashlib.sha256(POM.read_bytes() + repr(MODULES).encode()).hexdigest()[:12]
    made = ROOT / "build" / f"opensearch-{VERSION}-{made_of}"
    if made.is_dir():
        return made
    mvn = shutil.which("mvn")
    if mvn is None:
        raise NotUp("mvn, which fetches OpenSearch, is not there (Debian, Ubuntu: apt-get install maven)")
    made.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent) as folder:
        fetched = Path(folder, "fetched")
        # A jar whose checksum is not the one Maven Central gives stops it.
        command = [mvn, "--batch-mode", "--no-transfer-progress", "--quiet", "--strict-checksums", "--file", str(POM)]
        command += [FETCH, "-DincludeScope=runtime", f"-DoutputDirectory={fetched / 'lib'}"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise NotUp(f"mvn could not fetch OpenSearch:\n{run.stdout}{run.stderr}")
        for name, (jars, plugin, extends) in MODULES.items():
            _module(fetched, name, jars, plugin, extends)
        fetched.rename(made)  # whole or not at all
    return made


def java() -> Path:
    """The first java that is new enough: JAVA_HOME's, the one on PATH, those of the system. Raises NotUp with the remedy."""
    on_path = shutil.which("java")
    homes = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    homes += [Path(on_path).resolve().parents[1]] if on_path else []
    for home in [*homes, *sorted(SYSTEM_JAVAS.glob("*"))]:
        release, binary = home / "release", home / "bin" / "java"
        version = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE) if release.exists() else None
        if version and int(version[1]) >= OLDEST_JAVA and binary.exists():
            return binary
    raise NotUp(
        f"OpenSearch needs Java {OLDEST_JAVA} or later (Debian 13, Ubuntu 24.04: apt-get install "
        f"openjdk-{OLDEST_JAVA}-jre-headless; else any JDK, its folder in JAVA_HOME)"
    )


def _module(fetched: Path, name: str, jars: Sequence[str], plugin: str, extends: str) -> None:
    folder = fetched / "modules" / name
    folder.mkdir(parents=True)
    for jar in jars:
        (fetched / "lib" / f"{jar}-{VERSION}.jar").rename(folder / f"{jar}-{VERSION}.jar")
    said = {
        "name": name, "description": name, "version": VERSION, "opensearch.version": VERSION, "classname": plugin,
        "java.version": OLDEST_JAVA, "extended.plugins": extends, "has.native.controller": "false",
    }  # fmt: skip
    lines = [f"{key}={value}\n" for key, value in said.items()]
    (folder / "plugin-descriptor.properties").write_text("".join(lines))


def _somebody_else(home: Path) -> dict[str, object]:
    """How Popen starts a process as USER, to whom the folder then belongs; nothing where we are not root ourselves."""
    if os.geteuid() != 0:
        return {}
    who = pwd.getpwnam(USER)
    for path in (home, *home.rglob("*")):
        os.chown(path, who.pw_uid, who.pw_gid)
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
