"""Interp: bilinear resizing of maps, of DeepLab's and PSPNet's forks."""
import torch.nn.functional as F

from deeplandmark.caffe.layers.fork_shape import MapLayer
from deeplandmark.caffe.layers.registry import layer


@layer("Interp")
class Interp(MapLayer):
    """Maps resized bilinearly, corners on corners (interp_layer.cpp, interp.cpp of DeepLab and hszhao/PSPNet).

    (N, C, H, W) -> (N, C, rows, columns). interp_param: height and width; or shrink_factor s, (size - 1) / s + 1
    rounded down, zoom_factor z, size + (size - 1)(z - 1), or both, first s; pad_beg and pad_end, negative or 0: rows
    and columns cut off before, at the beginning and at the end. interp_type: bilinear alone.
    """

    def create(self, bottom_shapes):
        p = self.param.interp_param
        if p.pad_beg > 0 or p.pad_end > 0:
            self.fail(f"pad_beg and pad_end can only cut, found {p.pad_beg} and {p.pad_end}")
        if p.interp_type != "bilinear":
            self.fail(f"interp_type {p.interp_type!r} is not covered: bilinear is")
        self.given = (p.height, p.width) if p.HasField("height") and p.HasField("width") else None
        self.shrink, self.zoom = ((getattr(p, name) if p.HasField(name) else None)
                                  for name in ("shrink_factor", "zoom_factor"))
        if self.given is None and self.shrink is None and self.zoom is None:
            self.fail("needs height and width, shrink_factor or zoom_factor")
        if min(n for n in (*(self.given or ()), self.shrink, self.zoom, 1) if n is not None) < 1:
            self.fail("height, width, shrink_factor and zoom_factor must be at least 1")
        if self.given and (self.shrink is None) != (self.zoom is None):
            self.given = None                                    # in the fork one factor wins, and loses with the other

    def reshape(self, bottom_shapes):
        shape = self.map_shape(bottom_shapes[0])
        cut = [size + self.param.interp_param.pad_beg + self.param.interp_param.pad_end for size in shape[2:]]
        if min(cut) < 1:
            self.fail(f"nothing is left of a bottom of shape {shape} between pad_beg and pad_end")
        return [(*shape[:2], *(self.given or map(self._resized, cut)))]

    def _resized(self, size):
        if self.shrink:
            size = (size - 1) // self.shrink + 1
        return size + (size - 1) * (self.zoom - 1) if self.zoom else size

    def kept(self, size):
        """(first, end) of the cells of an axis of `size` that pad_beg and pad_end leave."""
        return -self.param.interp_param.pad_beg, size + self.param.interp_param.pad_end

    def forward(self, x):
        shape = self.reshape([x.shape])[0]
        rows, columns = (slice(*self.kept(size)) for size in x.shape[2:])
        if not x.numel():
            return x.new_zeros(shape),
        return F.interpolate(x[:, :, rows, columns], size=shape[2:], mode="bilinear", align_corners=True),
