"""Asymmetric self-play: one player sets the tasks, the other learns to solve them.

Importing this package is cheap: neither torch nor numba is loaded.
"""

from importlib.util import find_spec
from pathlib import Path

__version__ = "0.1.0"


def _check_siblings(names: tuple[str, ...] = ("curiosity", "envs"), here: Path = Path(__file__).parent.parent) -> None:
    """Make sure that `names` are the packages that lie beside this one.

    Both names are also used by others on the package index, and a file in the working directory shadows them too.

    Raises:
        ImportError: one line naming the file that stands in front of our own package.
    """
    for name in names:
        ours = here / name
        spec = find_spec(name)
        if spec is None:
            raise ImportError(f"package '{name}' is missing: expected {ours}; install again with `pip install -e .`")
        found = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
        if not any(Path(path).resolve().is_relative_to(ours.resolve()) for path in found):
            raise ImportError(
                f"package '{name}' is shadowed by {found[0] if found else 'an unknown file'}: "
                f"expected {ours}; uninstall or rename the other one, or start elsewhere"
            )


_check_siblings()
