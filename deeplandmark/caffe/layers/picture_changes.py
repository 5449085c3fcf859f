"""What SSD does to a picture before it is cropped (im_transforms.cpp, data_transformer.cpp of weiliu89/caffe).

Pictures are uint8 arrays (height, width, channels), BGR or grey; `rng` is a numpy Generator; boxes are rows (x1, y1,
x2, y2) as parts of the picture.
"""
import numpy as np

from deeplandmark.caffe.limits import check_shape


def check_resize(layer, p):
    """Refuses, in the name of `layer`, a ResizeParameter that no picture can follow."""
    if not p.height or not p.width:
        layer.fail(f"resize_param needs height and width, found {p.height} and {p.width}")
    if bool(p.height_scale) != bool(p.width_scale):
        layer.fail(f"resize_param: give both or neither of height_scale and width_scale, found {p.height_scale} and "
                   f"{p.width_scale}")


def check_noise(layer, p):
    """Refuses, in the name of `layer`, settings of a PictureNoiseParameter that SSD's transformer refuses."""
    if p.convert_to_lab:
        layer.fail("noise_param convert_to_lab makes values that are no bytes, which SSD refuses too")
    if p.saltpepper and not p.saltpepper_param.value:
        layer.fail("noise_param saltpepper needs a value in saltpepper_param")


def check_distortion(layer, p):
    """Refuses, in the name of `layer`, bounds of a DistortionParameter that are below 0 or in the wrong order."""
    for name in ("contrast", "saturation"):
        lower, upper = getattr(p, f"{name}_lower"), getattr(p, f"{name}_upper")
        if getattr(p, f"{name}_prob") > 0 and not 0 <= lower <= upper < np.inf:
            layer.fail(f"distort_param {name}_lower and {name}_upper must be 0 <= lower <= upper, found {lower:g} and "
                       f"{upper:g}")
    for name in ("brightness_delta", "hue_delta"):
        if not 0 <= getattr(p, name) < np.inf:
            layer.fail(f"distort_param {name} must not be negative, found {getattr(p, name):g}")


def resized_shape(p, size):
    """(height, width) that pictures of `size` have after `resize` by a ResizeParameter."""
    if p.resize_mode != p.FIT_SMALL_SIZE:
        return p.height, p.width
    aspect = np.float32(size[1]) / np.float32(size[0])
    return _narrow(p, aspect) if aspect < np.float32(p.width) / np.float32(p.height) else _flat(p, aspect)


def _narrow(p, aspect):
    return max(1, int(np.float32(p.width) / aspect)), p.width


def _flat(p, aspect):
    return p.height, max(1, int(aspect * np.float32(p.height)))


def resize(picture, p, rng):
    """The picture in another size: WARP to height x width, FIT_SMALL_SIZE as small as it still covers them, and
    FIT_LARGE_SIZE_AND_PAD as large as they hold, with borders by pad_mode. Of several interp_mode one is drawn."""
    import cv2
    modes = {p.LINEAR: cv2.INTER_LINEAR, p.AREA: cv2.INTER_AREA, p.NEAREST: cv2.INTER_NEAREST,
             p.CUBIC: cv2.INTER_CUBIC, p.LANCZOS4: cv2.INTER_LANCZOS4}
    mode = modes[p.interp_mode[rng.integers(len(p.interp_mode))]] if p.interp_mode else cv2.INTER_LINEAR
    size = resized_shape(p, picture.shape)
    if p.resize_mode == p.FIT_LARGE_SIZE_AND_PAD:
        aspect = np.float32(picture.shape[1]) / np.float32(picture.shape[0])
        size = _narrow(p, aspect) if aspect > np.float32(p.width) / np.float32(p.height) else _flat(p, aspect)
    check_shape((*size, picture.shape[2]))
    found = _with_channels(cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=mode))
    if p.resize_mode != p.FIT_LARGE_SIZE_AND_PAD:
        return found
    borders = {p.CONSTANT: cv2.BORDER_CONSTANT, p.MIRRORED: cv2.BORDER_REFLECT101,
               p.REPEAT_NEAREST: cv2.BORDER_REPLICATE}
    free = p.height - size[0], p.width - size[1]
    values = list(p.pad_value) or [0]
    values = (values * 4)[:4] if len(values) == 1 else (values + [0] * 4)[:4]
    return _with_channels(cv2.copyMakeBorder(found, free[0] // 2, free[0] - free[0] // 2, free[1] // 2,
                                             free[1] - free[1] // 2, borders[p.pad_mode], value=values))


def boxes_after_resize(p, boxes, size):
    """`boxes` (N, 4) of a picture of `size` (height, width) as parts of what `resize` makes of it; inside of that."""
    boxes = boxes.copy()
    if p.resize_mode == p.FIT_LARGE_SIZE_AND_PAD:
        aspect, wanted = size[1] / size[0], p.width / p.height
        axis, share = (1, wanted / aspect) if aspect > wanted else (0, aspect / wanted)     # of the side with borders
        boxes[:, axis::2] = boxes[:, axis::2].clip(0, 1) * share + (1 - share) / 2
    return boxes.clip(0, 1)


def boxes_after_crop(p, boxes, size, cut):
    """`boxes` (N, 4) of a crop in units of height_scale and width_scale pixels, where FIT_SMALL_SIZE has these: `cut`
    is what was cropped, as parts of a picture of `size` (height, width) that was resized."""
    if p.resize_mode != p.FIT_SMALL_SIZE or not p.height_scale:
        return boxes
    aspect = size[1] / size[0]
    height, width = (p.width / aspect, p.width) if aspect < p.width / p.height else (p.height, p.height * aspect)
    x, y = width * (cut[2] - cut[0]) / p.width_scale, height * (cut[3] - cut[1]) / p.height_scale
    return boxes * np.array([x, y, x, y], boxes.dtype)


def noisy(picture, p, rng):
    """The picture after what a PictureNoiseParameter names, in SSD's order; `rng` draws salt and pepper."""
    import cv2
    colour = picture.shape[2] == 3
    if p.decolorize and colour:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if p.gauss_blur:
        picture = cv2.GaussianBlur(picture, (7, 7), 1.5)
    if p.hist_eq:
        picture = _of_brightness(picture, cv2.equalizeHist)
    if p.clahe:
        picture = _of_brightness(picture, cv2.createCLAHE(clipLimit=4).apply)
    if p.jpeg > 0:
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(p.jpeg)])[1]
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)
    if p.erode:
        picture = cv2.erode(picture, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3), (1, 1)))
    picture = _with_channels(picture)
    if p.posterize:
        picture = picture // 64 * 64 + 32
    if p.inverse:
        picture = 255 - picture
    if p.saltpepper:
        picture = picture.copy()
        count = int(p.saltpepper_param.fraction * picture.shape[0] * picture.shape[1])
        rows, columns = rng.integers(picture.shape[0], size=count), rng.integers(picture.shape[1], size=count)
        picture[rows, columns] = np.array(p.saltpepper_param.value).astype(np.int64).astype(np.uint8)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2HSV) if p.convert_to_hsv and colour else picture


def _of_brightness(picture, change):
    import cv2
    if picture.ndim == 2 or picture.shape[2] == 1:
        return change(picture)
    parts = cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)
    parts[..., 0] = change(np.ascontiguousarray(parts[..., 0]))
    return cv2.cvtColor(parts, cv2.COLOR_YCrCb2BGR)


def distort(picture, p, rng):
    """Brightness, contrast, saturation and hue changed, each with its probability, and the channels in another order.

    Contrast comes second or last, as often. Values are rounded and stay bytes after each step; hues are in units of 2
    degrees.
    """
    def drawn(name, low, high):
        return rng.uniform(low, high) if rng.random() < getattr(p, f"{name}_prob") else None

    def brightness(picture):
        delta = drawn("brightness", -p.brightness_delta, p.brightness_delta)
        return picture if delta is None else _bytes(picture + np.float32(delta))

    def contrast(picture):
        factor = drawn("contrast", p.contrast_lower, p.contrast_upper)
        return picture if factor is None else _bytes(picture * np.float32(factor))

    def saturation(picture):
        factor = drawn("saturation", p.saturation_lower, p.saturation_upper)
        return picture if factor is None else _of_hsv(picture, 1, lambda values: values * np.float32(factor))

    def hue(picture):
        delta = drawn("hue", -p.hue_delta, p.hue_delta)
        return picture if delta is None else _of_hsv(picture, 0, lambda values: values + np.float32(delta))

    early = rng.random() > 0.5
    for step in (brightness, contrast, saturation, hue) if early else (brightness, saturation, hue, contrast):
        picture = step(picture)
    return picture[..., rng.permutation(3)] if rng.random() < p.random_order_prob else picture


def _of_hsv(picture, channel, change):
    import cv2
    parts = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_BGR2HSV)
    parts[..., channel] = _bytes(change(parts[..., channel]))
    return cv2.cvtColor(parts, cv2.COLOR_HSV2BGR)


def expand(picture, p, means, rng):
    """(a larger picture with this one anywhere in it, what it shows as a box in parts of this one); an
    ExpansionParameter says how often and up to how many times. `means` (1 or C,) fill the rest, zeros where empty.

    Without an expansion the box is (0, 0, 1, 1).
    """
    whole = np.array([0, 0, 1, 1], np.float32)
    if rng.random() > p.prob or abs(p.max_expand_ratio - 1) < 1e-2:
        return picture, whole
    ratio, (height, width) = rng.uniform(1, p.max_expand_ratio), picture.shape[:2]
    rows, columns = int(height * ratio), int(width * ratio)
    top, left = int(rng.uniform(0, rows - height)), int(rng.uniform(0, columns - width))
    check_shape((rows, columns, picture.shape[2]))
    found = np.empty((rows, columns, picture.shape[2]), picture.dtype)
    found[:] = _bytes(np.array(means if len(means) else [0], np.float32))
    found[top:top + height, left:left + width] = picture
    return found, np.array([-left / width, -top / height, (columns - left) / width, (rows - top) / height], np.float32)


def _bytes(values):
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _with_channels(picture):
    """OpenCV drops the axis of a single channel."""
    return picture[..., None] if picture.ndim == 2 else picture
