"""An archive of a few drawn faces, for trainings of some steps."""
from pathlib import Path

import cv2
import numpy as np

from deeplandmark.faces import Annotation, write_list
from deeplandmark.faces.synthetic import draw_face


def drawn_lists(monkeypatch, folder, colour=False, hidden=()):
    """Twelve faces to train on and two to test with in `folder`/pictures, with the archive's two lists; everything is
    done in `folder` from now on. The points `hidden` of the first face of each list are not visible."""
    monkeypatch.chdir(folder)
    Path("pictures").mkdir()
    for name, places in (("train", range(12)), ("test", range(12, 14))):
        faces = []
        for i in places:
            grey, five, box = draw_face(np.random.default_rng(i))
            cv2.imwrite(f"pictures/{i}.png", cv2.applyColorMap(grey, cv2.COLORMAP_BONE) if colour else grey)
            faces.append(Annotation(Path(f"pictures/{i}.png"), box, five, name, i))
        faces[0].landmark_px[list(hidden)] = np.nan
        write_list(f"pictures/{name}ImageList.txt", faces)
