"""PriorBox and DetectionOutput of SSD (weiliu89/caffe, branch ssd)."""
import numpy as np
import torch

from deeplandmark.caffe.boxes import decode, keep_apart
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("PriorBox")
class PriorBox(Layer):
    """Boxes of several sizes around every cell of bottom 0, as parts of the picture, bottom 1 (prior_box_layer.cpp).

    Bottoms (N, C, H, W) and the picture (N, c, rows, columns); top (1, 2, H * W * boxes * 4): corners x1, y1, x2, y2 of
    each box, cell by cell in row-major order, and the variances of each. Of a cell come for each min_size: the square,
    with max_size the square of side sqrt(min * max), and one of the square's area for each other aspect_ratio. Sizes
    are whole pixels, fractions are cut off. Nothing gets a gradient.

    prior_box_param: min_size, max_size, aspect_ratio, flip, clip, variance, img_size (img_h, img_w), step (step_h,
    step_w), offset.
    """
    exact_bottoms, exact_tops = 2, 1
    no_gradient_bottoms = (0, 1)

    def create(self, bottom_shapes):
        p = self.param.prior_box_param
        smallest, largest = list(p.min_size), list(p.max_size)
        if not smallest or largest and len(largest) != len(smallest) or \
                not all(1 <= size < 1e6 for size in (*smallest, *largest)):
            self.fail(f"needs min_size of at least 1 and a max_size for each or none, found {smallest} and {largest}")
        if any(large <= small for small, large in zip(smallest, largest)):
            self.fail(f"max_size must be above min_size, found {largest} and {smallest}")
        if len(p.variance) not in (0, 1, 4) or not all(v > 0 for v in p.variance):
            self.fail(f"variance must be 1 or 4 numbers above 0, found {list(p.variance)}")
        if not all(1e-6 < ratio < 1e6 for ratio in p.aspect_ratio):
            self.fail(f"aspect_ratio must be above 0, found {list(p.aspect_ratio)}")
        self.image = self._pair("img_size", "img_h", "img_w")
        self.step = self._pair("step", "step_h", "step_w")
        self.variance = (list(p.variance) or [0.1]) * (1 if len(p.variance) == 4 else 4)
        self.sizes = self._sizes(smallest, largest)

    def _pair(self, both, *names):
        """(vertical, horizontal) setting, or None where it is left out or 0."""
        p = self.param.prior_box_param
        given = [p.HasField(name) for name in names]
        if any(given) and (p.HasField(both) or not all(getattr(p, name) > 0 for name in names)):
            self.fail(f"give {both}, or both of {names[0]} and {names[1]}, above 0")
        values = tuple(getattr(p, name) for name in names) if any(given) else (getattr(p, both),) * 2
        if not all(0 <= value < np.inf for value in values):
            self.fail(f"{both} must not be negative, found {values}")
        return values if all(values) else None

    def _sizes(self, smallest, largest):
        """(width, height) in pixels of the boxes of a cell, float64 (boxes, 2)."""
        ratios = [1.0]
        for ratio in self.param.prior_box_param.aspect_ratio:
            if all(abs(ratio - other) >= 1e-6 for other in ratios):
                ratios += [ratio, 1 / ratio] if self.param.prior_box_param.flip else [ratio]
        sizes = []
        for index, side in enumerate(map(int, smallest)):
            sizes.append((side, side))
            if largest:
                sizes.append((np.sqrt(side * int(largest[index])),) * 2)
            sizes += [(side * np.sqrt(ratio), side / np.sqrt(ratio)) for ratio in ratios if abs(ratio - 1) >= 1e-6]
        return np.array(sizes, np.float64)

    def reshape(self, bottom_shapes):
        maps, picture = map(tuple, bottom_shapes)
        if len(maps) != 4 or len(picture) != 4 or min(*maps[2:], *picture[2:]) < 1:
            self.fail(f"takes two bottoms of 4 axes, found shapes {maps} and {picture}")
        return [(1, 2, maps[2] * maps[3] * len(self.sizes) * 4)]

    def boxes(self, cells, picture):
        """The top (1, 2, ...) as a float32 array, for maps of `cells` and a picture of (rows, columns)."""
        height, width = self.image or picture
        step = self.step or (np.float32(height) / np.float32(cells[0]), np.float32(width) / np.float32(cells[1]))
        y, x = ((np.arange(n) + self.param.prior_box_param.offset) * float(s) for n, s in zip(cells, step))
        centres = np.stack(np.meshgrid(y, x, indexing="ij")[::-1], -1)[:, :, None]
        corners = np.concatenate([centres - self.sizes / 2, centres + self.sizes / 2], -1) / ([width, height] * 2)
        if self.param.prior_box_param.clip:
            corners = corners.clip(0, 1)
        variances = np.broadcast_to(self.variance, corners.shape)
        return np.stack([corners.ravel(), variances.ravel()])[None].astype(np.float32)

    def forward(self, maps, picture):
        return torch.from_numpy(self.boxes(tuple(maps.shape[2:]), tuple(picture.shape[2:]))).to(maps.device),


@layer("DetectionOutput")
class DetectionOutput(Layer):
    """Boxes of every class that are sure enough and no doubles (detection_output_layer.cpp, bbox_util.cpp).

    Bottoms: offsets (N, P * 4), or (N, P * classes * 4) without share_location, confidences (N, P * classes) and the
    top (1, 2, P * 4) of PriorBox, or of several along axis 2. Top (1, 1, K, 7): number of the picture, class,
    confidence, x1, y1, x2, y2 as parts of the picture, classes in order and in each the surest first; K is 1 until the
    first forward. Without any, a row of the number and six times -1 for each picture. Nothing gets a gradient.

    RefineDet (sfzhang15) adds a fourth bottom, confidences (N, P * 2) of there being an object, and a fifth, offsets
    (N, P * 4) that move the priors first: places below objectness_score in the fourth hold no class.

    detection_output_param: num_classes, share_location, background_label_id, nms_param (nms_threshold, top_k, eta),
    code_type, variance_encoded_in_target, keep_top_k, confidence_threshold. Files of save_output_param and pictures of
    visualize are not written.
    """
    min_bottoms, max_bottoms, exact_tops = 3, 5, 1
    no_gradient_bottoms = (0, 1, 2, 3, 4)

    def create(self, bottom_shapes):
        self.settings = p = self.param.detection_output_param
        if not 0 < p.num_classes < 1e6:
            self.fail(f"needs num_classes, found {p.num_classes}")
        if not p.nms_param.nms_threshold >= 0 or not 0 < p.nms_param.eta <= 1:
            self.fail("nms_threshold must not be negative and eta lie in 0..1, found "
                      f"{p.nms_param.nms_threshold:g} and {p.nms_param.eta:g}")
        self.location_classes = 1 if p.share_location else p.num_classes

    def reshape(self, bottom_shapes):
        offsets, confidences, priors, *first = map(tuple, bottom_shapes)
        if len(priors) < 3 or priors[:2] != (1, 2) or not offsets or offsets[0] != confidences[0]:
            self.fail(f"takes offsets, confidences and priors (1, 2, P * 4), found shapes {offsets}, {confidences} and "
                      f"{priors}")
        count = int(np.prod(priors[2:])) // 4
        expected = [(offsets, 4 * self.location_classes, "offsets"),
                    (confidences, self.settings.num_classes, "confidences"),
                    *zip(first, (2, 4), ("first confidences", "first offsets"))]
        for shape, each, word in expected:
            if int(np.prod(shape[1:])) != count * each:
                self.fail(f"{count} priors need {count * each} {word} a picture, found shape {shape}")
        return [(1, 1, 1, 7)]

    def forward(self, *bottoms):
        device, n, p = bottoms[0].device, len(bottoms[0]), self.settings
        offsets, confidences, priors, *first = (bottom.detach().cpu().numpy() for bottom in bottoms)
        boxes, variances = priors.reshape(2, -1, 4)
        if first:
            holds_none = first[0].reshape(n, -1, 2)[..., 1] < np.float32(p.objectness_score)
            confidences = np.where(holds_none[..., None], 0, confidences.reshape(n, len(boxes), -1))
        if len(first) > 1:
            boxes = decode(boxes, variances, first[1].reshape(n, -1, 4), p.code_type, p.variance_encoded_in_target)
            boxes = boxes[:, None]                               # those of each picture, for every class
        offsets = offsets.reshape(n, -1, self.location_classes, 4).transpose(0, 2, 1, 3)
        moved = decode(boxes, variances, offsets, p.code_type, p.variance_encoded_in_target)
        rows = [row for number, of_one in enumerate(zip(moved, confidences.reshape(n, len(variances), -1)))
                for row in self._of_one(number, *of_one)]
        rows = rows or [(number, *[-1] * 6) for number in range(n)]
        return torch.tensor(rows, dtype=torch.float32, device=device).reshape(1, 1, -1, 7),

    def _of_one(self, number, boxes, confidences):
        """Rows of one picture: boxes (classes or 1, P, 4), confidences (P, classes)."""
        p, found = self.settings, []
        for label in range(p.num_classes):
            if label != p.background_label_id:
                places = boxes[0 if p.share_location else label]
                kept = self._surest(places, confidences[:, label])
                found += [(confidences[index, label], label, index) for index in kept]
        if -1 < p.keep_top_k < len(found):
            found = sorted(found, key=lambda row: -row[0])[:p.keep_top_k]
            found.sort(key=lambda row: row[1])
        return [(number, label, sure, *boxes[0 if p.share_location else label][index]) for sure, label, index in found]

    def _surest(self, boxes, confidences):
        """Numbers of the boxes of one class that remain."""
        p = self.settings
        sure = confidences > (p.confidence_threshold if p.HasField("confidence_threshold") else -np.inf)
        order = np.flatnonzero(sure)
        order = order[np.argsort(-confidences[order], kind="stable")]
        if p.nms_param.HasField("top_k") and -1 < p.nms_param.top_k:
            order = order[:p.nms_param.top_k]
        return order[keep_apart(boxes[order], p.nms_param.nms_threshold, p.nms_param.eta)]
