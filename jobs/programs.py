"""Where the programs are, for job scripts in the source folder and for installed ones."""
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent


def find_program(name):
    """As built in the source folder that these scripts belong to, or as installed with them, or what the shell finds."""
    for place in (HERE.parent / "build/release/bin" / name, HERE.parents[2] / "bin" / name):
        if place.is_file():
            return str(place)
    return shutil.which(name) or name
