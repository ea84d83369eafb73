"""A wheel holds the workflow too: the folders of this checkout that `dnastudents.project` finds."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("workflow", "demo", "envs", "profiles", "slurm", "studies")


class BuildWithWorkflow(build_py):
    """Copy them beside the modules; an editable install finds them where they are."""

    def run(self) -> None:
        """Build as always, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "dnastudents/project_files"
        shutil.rmtree(target, ignore_errors=True)
        for folder in FOLDERS:
            shutil.copytree(folder, target / folder)
        shutil.copy("config.yaml", target)


setup(cmdclass={"build_py": BuildWithWorkflow})
