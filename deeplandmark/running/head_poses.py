"""Where heads look, in faces whose points are known."""
import numpy as np

from deeplandmark.faces.head_pose import HeadPose
from deeplandmark.faces.upright import frames_of_points
from deeplandmark.networks.looks import TILTED


def head_poses(pose, image, boxes, points_px, points):
    """The `HeadPose` of n faces.

    Parameters
    ----------
    pose : System
        For poses.
    image : uint8 (h, w) or (h, w, 3)
    boxes : float (n, 4)
    points_px : float (n, k, 2)
        They tell only whether a face is tilted so far that it is looked at upright.
    points : Points
        What those are.
    """
    angles = None
    if points.five and len(boxes):
        angles = frames_of_points(points.to_five(points_px)).angles
        angles = angles if np.abs(angles).max() > TILTED else None
    return HeadPose.of_axes(pose.predict(image, boxes, angles=angles))
