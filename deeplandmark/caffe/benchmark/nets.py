"""Nets of the literature as their deploy definitions have them, with filler weights: NETS, name -> function.

Each function takes the batch (int) and gives a NetParameter. `width` divides the number of maps, for small nets of the
same shape.
"""
from deeplandmark.caffe.benchmark.blocks import (
    conv,
    conv_bn,
    conv_bn_relu,
    conv_relu,
    data,
    depthwise,
    fc,
    max_pool,
    mean_of_maps,
    relu,
    softmax,
)
from deeplandmark.caffe.net_spec import NetSpec
from deeplandmark.caffe.net_spec import layers as L
from deeplandmark.caffe.net_spec import params as P


def alexnet(batch=1):
    """A. Krizhevsky et al., 2012, as bvlc_alexnet: 227 x 227."""
    n = NetSpec()
    n.data = data(batch, 3, 227, 227)
    x = max_pool(L.LRN(conv_relu(n.data, 96, 11, 4), local_size=5, alpha=1e-4), 3, 2)
    x = max_pool(L.LRN(conv_relu(x, 256, 5, 1, 2, group=2), local_size=5, alpha=1e-4), 3, 2)
    x = conv_relu(conv_relu(x, 384, 3, 1, 1), 384, 3, 1, 1, group=2)
    x = max_pool(conv_relu(x, 256, 3, 1, 1, group=2), 3, 2)
    for _ in range(2):
        x = L.Dropout(relu(fc(x, 4096)), in_place=True)
    n.prob = softmax(fc(x, 1000))
    return n.to_proto()


def vgg16(batch=1):
    """K. Simonyan and A. Zisserman, 2014: 224 x 224."""
    n = NetSpec()
    n.data = x = data(batch, 3, 224, 224)
    for maps, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            x = conv_relu(x, maps, 3, 1, 1)
        x = max_pool(x, 2, 2)
    for _ in range(2):
        x = L.Dropout(relu(fc(x, 4096)), in_place=True)
    n.prob = softmax(fc(x, 1000))
    return n.to_proto()


def googlenet(batch=1):
    """C. Szegedy et al., 2014, as bvlc_googlenet: 224 x 224."""
    n = NetSpec()
    n.data = data(batch, 3, 224, 224)
    x = L.LRN(max_pool(conv_relu(n.data, 64, 7, 2, 3), 3, 2), local_size=5, alpha=1e-4)
    x = conv_relu(conv_relu(x, 64, 1), 192, 3, 1, 1)
    x = max_pool(L.LRN(x, local_size=5, alpha=1e-4), 3, 2)
    for maps in (((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
                 ((192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
                  (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128)),
                 ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128))):
        for a, b, c, d, e, f in maps:
            x = L.Concat(conv_relu(x, a, 1), conv_relu(conv_relu(x, b, 1), c, 3, 1, 1),
                         conv_relu(conv_relu(x, d, 1), e, 5, 1, 2), conv_relu(max_pool(x, 3, 1, 1), f, 1))
        if maps[-1][0] != 384:
            x = max_pool(x, 3, 2)
    x = L.Dropout(L.Pooling(x, pool=P.Pooling.AVE, kernel_size=7, stride=1), in_place=True)
    n.prob = softmax(fc(x, 1000))
    return n.to_proto()


def resnet50(batch=1, width=1, size=224, classes=1000):
    """K. He et al., 2015: 224 x 224."""
    n = NetSpec()
    n.data = data(batch, 3, size, size)
    x = max_pool(conv_bn_relu(n.data, 64 // width, 7, 2, 3), 3, 2)
    for stage, count in enumerate((3, 4, 6, 3)):
        for block in range(count):
            x = bottleneck(x, (64 << stage) // width, 2 if stage and not block else 1, not block)
    n.prob = softmax(fc(mean_of_maps(x), classes))
    return n.to_proto()


def bottleneck(x, maps, stride, projects, scaled=None):
    """A block of ResNet-50: 1 x 1, 3 x 3, 1 x 1 of 4 times the maps, and what came in; `scaled` works on the branch."""
    side = conv_bn(x, 4 * maps, 1, stride) if projects else x
    branch = conv_bn_relu(conv_bn_relu(x, maps, 1, stride), maps, 3, 1, 1)
    branch = conv_bn(branch, 4 * maps, 1)
    return relu(scaled(branch, side) if scaled else L.Eltwise(side, branch))


def mobilenet_v1(batch=1, width=1, size=224, classes=1000):
    """A. Howard et al., 2017: 224 x 224."""
    n = NetSpec()
    n.data = data(batch, 3, size, size)
    x, channels = conv_bn_relu(n.data, 32 // width, 3, 2, 1), 32 // width
    for maps, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2),
                         (1024, 1)):
        x, channels = conv_bn_relu(depthwise(x, channels, stride), maps // width, 1), maps // width
    n.prob = softmax(conv(mean_of_maps(x), classes, 1))
    return n.to_proto()


def mobilenet_v2(batch=1, width=1, size=224, classes=1000):
    """M. Sandler et al., 2018: 224 x 224."""
    n = NetSpec()
    n.data = data(batch, 3, size, size)
    x, channels = conv_bn_relu(n.data, 32 // width, 3, 2, 1), 32 // width
    for factor, maps, count, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                       (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(count):
            inner, maps_out = channels * factor, maps // width
            y = conv_bn_relu(x, inner, 1) if factor > 1 else x
            y = conv_bn(depthwise(y, inner, first if not block else 1), maps_out, 1)
            x, channels = L.Eltwise(x, y) if block else y, maps_out
    n.prob = softmax(conv(mean_of_maps(conv_bn_relu(x, 1280 // width, 1)), classes, 1))
    return n.to_proto()


def squeezenet(batch=1):
    """F. Iandola et al., 2016, version 1.1: 227 x 227."""
    n = NetSpec()
    n.data = data(batch, 3, 227, 227)
    x = max_pool(conv_relu(n.data, 64, 3, 2), 3, 2)
    for i, maps in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        x = conv_relu(x, maps, 1)
        x = L.Concat(conv_relu(x, 4 * maps, 1), conv_relu(x, 4 * maps, 3, 1, 1))
        if i in (1, 3):
            x = max_pool(x, 3, 2)
    n.prob = softmax(mean_of_maps(conv_relu(L.Dropout(x, in_place=True), 1000, 1)))
    return n.to_proto()


def openpose(batch=1, height=368, width=368, maps=1):
    """Z. Cao et al., 2018, body_25: three rounds for limbs and one for points, all by blocks of three convolutions."""
    n = NetSpec()
    n.image = x = data(batch, 3, height, width)
    for stage, count in ((64, 2), (128, 2), (256, 4), (512, 2)):
        for _ in range(count):
            x = conv_relu(x, stage // maps, 3, 1, 1)
        if stage < 512:
            x = max_pool(x, 2, 2)
    features = _prelu(conv(_prelu(conv(x, 256 // maps, 3, 1, 1)), 128 // maps, 3, 1, 1))
    limbs = None
    for i in range(4):
        limbs = _round(L.Concat(features, limbs) if i else features, (96, 128, 128, 128)[i] // maps, 52)
    first = _round(L.Concat(features, limbs), 96 // maps, 26)
    n.points = _round(L.Concat(features, first, limbs), 128 // maps, 26)
    n.limbs = L.Concat(limbs)
    return n.to_proto()


def _round(x, maps, outputs):
    for _ in range(5):
        parts = []
        for _ in range(3):
            x = _prelu(conv(x, maps, 3, 1, 1))
            parts.append(x)
        x = L.Concat(*parts)
    return conv(_prelu(conv(x, 4 * maps, 1)), outputs, 1)


def _prelu(x):
    return L.PReLU(x, in_place=True)


NETS = {"AlexNet": alexnet, "GoogLeNet": googlenet, "ResNet-50": resnet50, "VGG-16": vgg16, "MobileNet": mobilenet_v1,
        "MobileNetV2": mobilenet_v2, "SqueezeNet": squeezenet, "OpenPose body_25": openpose}
