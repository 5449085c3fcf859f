"""One picture in several styles, by the very layers with which a style-aggregated network makes them inside itself:
prototxt/regressor/styles.prototxt.template."""
import numpy as np

from deeplandmark.training.templates import rendered, template_folder

STYLES = ("grey", "light", "dark", "sketch", "aggregated")


def restyled(image: np.ndarray) -> dict[str, np.ndarray]:
    """A picture uint8 (h, w, 3), blue green red, in every style: {name: uint8 (h, w, 3)}, names as in STYLES.

    After the set 300W-Style of X. Dong et al., *Style Aggregated Network for Facial Landmark Detection*, CVPR 2018,
    whose styles were made by hand; `aggregated` is the mean of the picture and the styles before it. Needs the extra
    [train].
    """
    from deeplandmark.caffe import TEST, Net  # only who restyles waits for torch
    rows, columns = image.shape[:2]
    net = Net(rendered(template_folder(), "regressor", "restyle", {"rows": rows, "columns": columns}), TEST)
    net.blobs["picture"].data = image.transpose(2, 0, 1)[None].astype(np.float32) / 255
    net.forward()
    return {name: np.rint(255 * net.blobs[name].data[0]).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
            for name in STYLES}
