"""A command begins at once: it loads what it needs and no more."""

import subprocess
import sys

CALLING_OUT = ("aiohttp", "apprise", "requests", "aiokafka", "uvicorn", "starlette", "pywebpush")


def test_a_command_does_not_load_what_it_does_not_use() -> None:
    """Whoever types a command does not wait for what calls out, or serves, to be loaded."""
    look = f"import sys, dateline.cli.main; print(*set({CALLING_OUT}) & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
