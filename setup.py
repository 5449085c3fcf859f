"""What setup.cfg has no words for: the folder prototxt/ is installed as the package deeplandmark.templates."""
from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["deeplandmark*"]), "deeplandmark.templates"],
      package_dir={"deeplandmark.templates": "prototxt"})
