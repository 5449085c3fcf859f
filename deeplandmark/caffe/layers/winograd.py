"""Convolutions of 3 x 3 as products of matrices that multiply a quarter as often: Winograd's F(4x4, 3x3).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), section 4.3: of every tile d of 6 x 6
cells and every kernel g, the 4 x 4 answers are

    A^T ((G g G^T) * (B^T d B)) A.

The tiles of all maps are turned by one product with B (x) B, the 36 places are 36 products of (tiles, channels) with
(channels, num_output), and one product with A (x) A turns back. In float32 the answers differ from those of a plain
convolution by less than 1e-5 of the largest of them (tests), as OpenCV's do, which computes them so as well.
"""
import torch
import torch.nn.functional as F

TILE, WINDOW = 4, 6                                   # answers of a tile along an axis, and cells that they come from
_LEAST_TILES = 16         # with fewer, reading 36 matrices takes longer than the products
_LEAST_CONNECTIONS = 64 * 128                         # channels times num_output, below which the turning does
_LEAST_PRODUCTS = 350_000                             # those for all tiles, below which the calls of torch do
_TILES_AT_ONCE = 256      # so many of them stay in the cache

_BT = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
       (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))
_G = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
      (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))
_AT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def pays(layer):
    """Whether (bool) a Convolution may be faster this way: 3 x 3 at every cell, of many maps, on a processor like those
    on which it was measured (AVX2; with AVX-512 torch's own convolution was as fast)."""
    return (layer.weights_are_stored and layer.kernel == (3, 3) and layer.stride == layer.dilation == (1, 1)
            and layer.group == 1 and layer.channels * layer.num_output >= _LEAST_CONNECTIONS
            and torch.backends.cpu.get_cpu_capability() == "AVX2")


def transformed(weight):
    """G g G^T of weights (num_output, channels, 3, 3): float32 (36, channels, num_output), computed in float64."""
    g = torch.tensor(_G, dtype=torch.float64)
    return torch.einsum("ai,ocij,bj->abco", g, weight.double(), g).reshape(WINDOW ** 2, *weight.shape[1::-1]).float()


def convolve(x, kernels, bias, pad):
    """A convolution, or None where too little is to be done.

    Parameters
    ----------
    x : tensor float32 (N, channels, H, W), its channels innermost in memory
    kernels : tensor (36, channels, num_output), of `transformed`
    bias : tensor (num_output,) or None
    pad : (int, int), cells of zeros above and below, left and right

    Returns
    -------
    tensor (N, num_output, H', W'), its channels innermost in memory, or None
    """
    n, channels, *sizes = x.shape
    height, width = (size + 2 * edge - 2 for size, edge in zip(sizes, pad))
    down, across = -(-height // TILE), -(-width // TILE)
    tiles = n * down * across
    if tiles < _LEAST_TILES or tiles * kernels[0].numel() < _LEAST_PRODUCTS:
        return None
    x = _padded(x, pad, (TILE * down + 2, TILE * across + 2))
    out = x.new_empty(n, down, TILE, across, TILE, kernels.shape[2])
    rows = max(1, _TILES_AT_ONCE // (n * across))
    for top in range(0, down, rows):
        strip = out[:, top:top + rows]
        found = _strip(x[:, TILE * top:], strip.shape[1], across, kernels)
        torch.add(found, 0 if bias is None else bias, out=strip)
    return out.view(n, TILE * down, TILE * across, -1)[:, :height, :width].permute(0, 3, 1, 2)


def _padded(x, pad, shape):
    """(N, rows, columns, channels) of a given shape, zeros around x."""
    top, left = pad
    bottom, right = (total - size - before for total, size, before in zip(shape, x.shape[2:], pad))
    return F.pad(x.permute(0, 2, 3, 1), (0, 0, left, right, top, bottom)).contiguous()


def _strip(x, down, across, kernels):
    """Answers (N, down, 4, across, 4, num_output), a view, of the first `down` rows of tiles of x (N, rows, columns,
    channels)."""
    n, _, _, channels = x.shape
    image, row, column, _ = x.stride()
    tiles = x.as_strided((WINDOW, WINDOW, n, down, across, channels),
                         (row, column, image, TILE * row, TILE * column, 1), x.storage_offset())
    turned = _squared(_BT, x) @ tiles.reshape(WINDOW ** 2, -1)
    products = torch.bmm(turned.view(WINDOW ** 2, -1, channels), kernels)
    answers = _squared(_AT, x) @ products.view(WINDOW ** 2, -1)
    return answers.view(TILE, TILE, n, down, across, -1).permute(2, 3, 0, 4, 1, 5)


def _squared(matrix, like):
    """Of a matrix M that works on columns: M (x) M, which works on columns and rows of a square at once."""
    matrix = torch.tensor(matrix, dtype=like.dtype)
    return torch.kron(matrix, matrix)
