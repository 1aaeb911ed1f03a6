"""What Tab offers: in the protocol of each shell, and in a real bash with the script installed."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import curate


def offered(words: str, shell: str, cwd: Path) -> list[str]:
    """Return the lines that ``curate`` prints when a shell asks after these words."""
    environment = {
        **os.environ,
        "_CURATE_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "curate"],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("curate ru", ["run"]),
        ("curate st", ["stage", "store", "stages"]),
        ("curate tokeni", ["tokenizer", "tokenizers"]),
        ("curate tokenizer ", ["extend"]),
        ("curate store ", ["query"]),
        ("curate run tedl", ["tedllm"]),
        ("curate run sherkala --engine in", ["in-process"]),
        ("curate run sherkala --dry", ["--dry-run"]),
        ("curate stage fuzzy", ["fuzzy_dedup"]),
        ("curate sweep out --lang kaz", ["kaz_Cyrl"]),
        ("curate verify ./any", []),
        ("curate nonsense ", []),
    ],
)
def test_bash(words: str, expected: list[str], tmp_path: Path) -> None:
    assert offered(words, "bash", tmp_path) == expected


def test_zsh_and_fish_show_what_each_command_does(tmp_path: Path) -> None:
    assert offered("curate verif", "fish", tmp_path) == [
        "verify\tCheck that a finished run keeps its promises."
    ]
    assert '"verify":"Check that a finished run keeps its promises."' in "\n".join(
        offered("curate verif", "zsh", tmp_path)
    )


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_a_bash_with_the_printed_script_completes(tmp_path: Path) -> None:
    command = tmp_path / "curate"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m curate "$@"\n')
    command.chmod(0o755)
    script = """
        eval "$(curate --show-completion bash)"
        COMP_WORDS=(curate run tedl); COMP_CWORD=2
        _curate_completion curate tedl run
        echo "${COMPREPLY[@]}"
    """
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    done = subprocess.run(
        ["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == ("tedllm", "")


def typed(shell: list[str], environment: dict[str, str], keys: str, until: str) -> str:
    """Return what an interactive shell has shown when ``until`` came, or after two minutes."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(shell[0], shell, environment)
    shown, answered = "", False
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and until not in shown:
            if select.select([terminal], [], [], 1)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
            if not answered and "READY" in shown:
                os.write(terminal, keys.encode())
                answered = True
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    return shown


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_first_tab_of_a_new_shell_completes_where_completion_is_installed(
    shell: str, tmp_path: Path
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    command = tmp_path / "bin/curate"
    command.parent.mkdir()
    root = Path(curate.__file__).parents[1]
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m curate "$@"\n')
    command.chmod(0o755)
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "TERM": "xterm",
        "SHELL": shell,
    }
    installed = subprocess.run(
        [shell, "-c", "curate --install-completion; true"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert f"{shell} completion installed" in installed.stdout, installed.stderr
    if shell == "zsh":
        with (tmp_path / ".zshrc").open("a") as file:
            file.write("PS1='READY> '\n")
    else:
        prompt = "function fish_prompt; echo 'READY> '; end\nset -U fish_greeting\n"
        (tmp_path / ".config/fish/config.fish").write_text(prompt)
    # After Tab: to the beginning of the line (Ctrl-A), which becomes an echo of what is there.
    keys = "curate run tedl\t\x01echo GOT \n" + "echo DO''NE\n"
    shown = typed([shell, "-i"], environment, keys, "DONE")
    assert "GOT curate run tedllm" in shown, shown
