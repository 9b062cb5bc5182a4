"""Files that come along with the packages, such as recipes: named without a path."""

from pathlib import Path

from lartpc.errors import UserError


def packaged(name: str | Path, folder: Path) -> Path:
    """A YAML file by its path, or one of a package's folder by its name alone.

    Args:
        name: ``quick`` for ``quick.yaml`` in the folder, or the path of a file, such as ``runs/my.yaml``.
        folder: of the package.

    Raises:
        UserError: there is no such file; naming those of the folder.
    """
    path = Path(name)
    own = folder / f"{path.name}.yaml"
    if path.name == str(name) and own.is_file():
        return own
    if path.is_file():
        return path
    names = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
    raise UserError(f"no file {name}; give the path of one, or a name: {names}")
