"""Deploy nets in the public shapes of well-known families, small: functions that give a NetParameter.

`plain=True` gives the same net in layers that OpenCV's importer has, where a fork's layer is none of them.
"""
from deeplandmark.caffe.benchmark.blocks import (
    batch_norm,
    conv,
    conv_bn,
    conv_bn_relu,
    conv_relu,
    data,
    fc,
    max_pool,
    mean_of_maps,
    relu,
    softmax,
)
from deeplandmark.caffe.net_spec import NetSpec
from deeplandmark.caffe.net_spec import layers as L
from deeplandmark.caffe.net_spec import params as P


def spec(*shape):
    n = NetSpec()
    n.data = data(*shape)
    return n


def densenet(plain=False):
    """BatchNorm, Scale and ReLU before each convolution, everything concatenated; floors (`ceil_mode: false`)."""
    n = spec(2, 3, 33, 33)
    x = L.Pooling(conv_bn_relu(n.data, 8, 7, 2, 3), pool=P.Pooling.MAX, kernel_size=3, stride=2, pad=1, ceil_mode=False)
    for stage in range(2):
        for _ in range(3):
            y = conv(relu(L.Scale(L.BatchNorm(x), bias_term=True, in_place=True)), 16, 1, bias_term=False)
            x = L.Concat(x, conv(relu(batch_norm(y)), 4, 3, 1, 1, bias_term=False))
        y = relu(L.Scale(L.BatchNorm(x), bias_term=True, in_place=True))
        x = L.Pooling(conv(y, 10, 1, bias_term=False), pool=P.Pooling.AVE, kernel_size=2, stride=2) if not stage else y
    n.prob = softmax(L.Reshape(conv(mean_of_maps(x), 6, 1), shape=dict(dim=[0, -1])))
    return n.to_proto()


def senet(plain=False):
    """Squeeze and excitation on the blocks of ResNet, by Axpy."""
    n = spec(2, 3, 32, 32)
    x = max_pool(conv_bn_relu(n.data, 8, 7, 2, 3), 3, 2)
    for stride in (1, 2):
        side = conv_bn(x, 16, 1, stride)
        y = conv_bn(conv_bn_relu(conv_bn_relu(x, 4, 1, stride), 4, 3, 1, 1), 16, 1)
        gate = L.Sigmoid(conv(relu(conv(mean_of_maps(y), 4, 1)), 16, 1), in_place=True)
        if plain:
            n[f"gated{stride}"] = L.Scale(y, L.Flatten(gate), axis=0)
            x = relu(L.Eltwise(n[f"gated{stride}"], side))
        else:
            x = relu(L.Axpy(gate, y, side))
    n.prob = softmax(fc(mean_of_maps(x), 6))
    return n.to_proto()


def shufflenet(plain=False):
    """Grouped 1 x 1 convolutions, channels shuffled, depthwise 3 x 3."""
    n = spec(1, 3, 32, 32)
    x = max_pool(conv_bn_relu(n.data, 12, 3, 2, 1), 3, 2)
    for stride in (2, 1, 1):
        y = L.ShuffleChannel(conv_bn_relu(x, 12, 1, group=3), group=3)
        y = conv_bn(y, 12, 3, stride, 1, group=12)
        y = conv_bn(y, 12 if stride == 2 else 24, 1, group=3)
        side = L.Pooling(x, pool=P.Pooling.AVE, kernel_size=3, stride=2) if stride == 2 else x
        x = relu(L.Concat(side, y) if stride == 2 else L.Eltwise(side, y))
    n.prob = softmax(fc(mean_of_maps(x), 6))
    return n.to_proto()


def pspnet(plain=False):
    """Dilated blocks, BN of PSPNet, pooled at several sizes, Interp back to the picture."""
    def bn(x):
        if plain:
            return batch_norm(x)
        return L.BN(x, in_place=True, bn_param=dict(moving_average=True, var_eps=1e-5, scale_filler=dict(value=1)))

    def block(x, maps, kernel, stride=1, pad=0, dilation=1):
        return relu(bn(conv(x, maps, kernel, stride, pad, bias_term=False, dilation=dilation)))
    n = spec(1, 3, 49, 49)
    x = block(block(n.data, 8, 3, 2, 1), 8, 3, 2, 1)
    x = block(x, 12, 3, 1, 2, 2)
    parts = [x]
    for kernel in (13, 6, 4):
        pooled = L.Pooling(x, pool=P.Pooling.AVE, kernel_size=kernel, stride=kernel)
        parts.append(L.Interp(block(pooled, 4, 1), interp_param=dict(height=13, width=13)))
    x = L.Dropout(block(L.Concat(*parts), 8, 3, 1, 1), in_place=True)
    n.score = L.Interp(conv(x, 5, 1), interp_param=dict(height=49, width=49))
    return n.to_proto()


def yolo_v2(plain=False):
    """Leaky ReLU, Reorg beside the last maps, Region at the end."""
    n = spec(1, 3, 64, 64)
    x = n.data
    for maps in (4, 8):
        x = max_pool(relu(conv_bn(x, maps, 3, 1, 1), negative_slope=0.1), 2, 2)
    side = relu(conv_bn(x, 8, 3, 1, 1), negative_slope=0.1)
    x = relu(conv_bn(max_pool(side, 2, 2), 16, 3, 1, 1), negative_slope=0.1)
    n.maps = conv(L.Concat(L.Reorg(side, reorg_param=dict(stride=2)), x), 5 * 7, 1)
    return n.to_proto()


def yolo_v3(plain=False):
    """Shortcuts, two scales, the finer one from the coarser by Upsample."""
    n = spec(1, 3, 64, 64)

    def block(x, maps, kernel=3, stride=1):
        return relu(conv_bn(x, maps, kernel, stride, kernel // 2), negative_slope=0.1)
    x = block(block(n.data, 4), 8, 3, 2)
    fine = x = L.Eltwise(x, block(block(x, 4, 1), 8))
    x = block(x, 16, 3, 2)
    x = L.Eltwise(x, block(block(x, 8, 1), 16))
    coarse = conv(x, 3 * 7, 1)
    y = block(x, 6, 1)
    up = L.Deconvolution(y, convolution_param=dict(num_output=6, group=6, kernel_size=2, stride=2, bias_term=False,
                                                   weight_filler=dict(value=1))) if plain else L.Upsample(
        y, upsample_param=dict(scale=2))
    finer = conv(block(L.Concat(up, fine), 8), 3 * 7, 1)
    n.both = L.Concat(L.Flatten(coarse), L.Flatten(finer))
    return n.to_proto()


def ssd_vgg(plain=False):
    """conv4_3 normalised, dilated fc6, six heads become boxes: two here."""
    n = spec(1, 3, 48, 48)
    x = max_pool(conv_relu(n.data, 8, 3, 1, 1), 2, 2)
    x = conv4 = conv_relu(x, 12, 3, 1, 1)
    x = conv_relu(max_pool(x, 2, 2), 16, 3, 1, 6, dilation=6)
    normalised = L.Normalize(conv4, norm_param=dict(across_spatial=False, channel_shared=False,
                                                    scale_filler=dict(value=20)))
    boxes, classes, priors = [], [], []
    for maps, size in ((normalised, 8), (conv_relu(x, 16, 1), 16)):
        for values, rows in ((4, boxes), (3, classes)):
            order = L.Permute(conv(maps, 2 * values, 3, 1, 1), permute_param=dict(order=[0, 2, 3, 1]))
            rows.append(L.Flatten(order))
        priors.append(L.PriorBox(maps, n.data, prior_box_param=dict(min_size=size, max_size=2 * size, clip=False,
                                                                    variance=[0.1, 0.1, 0.2, 0.2])))
    scores = L.Softmax(L.Reshape(L.Concat(*classes), shape=dict(dim=[0, -1, 3])), axis=2)
    settings = dict(num_classes=3, share_location=True, background_label_id=0, code_type=P.PriorBox.CENTER_SIZE,
                    nms_param=dict(nms_threshold=0.45, top_k=100), keep_top_k=40, confidence_threshold=0.01)
    n.out = L.DetectionOutput(L.Concat(*boxes), L.Flatten(scores), L.Concat(*priors, axis=2),
                              detection_output_param=settings)
    return n.to_proto()


def retina_face(plain=False):
    """A pyramid whose coarser level is enlarged by a bilinear Deconvolution and cropped; context heads of RFB."""
    n = spec(1, 3, 40, 48)
    fine = conv_bn_relu(conv_bn_relu(n.data, 8, 3, 2, 1), 8, 3, 2, 1)
    coarse = conv_bn_relu(conv_bn_relu(fine, 12, 3, 2, 1), 8, 1)
    up = L.Deconvolution(coarse, convolution_param=dict(num_output=8, group=8, kernel_size=4, stride=2, pad=1,
                                                        bias_term=False, weight_filler=dict(type="bilinear")))
    merged = conv_bn_relu(L.Eltwise(conv_bn_relu(fine, 8, 1), L.Crop(up, fine)), 8, 3, 1, 1)
    rows = []
    for maps in (merged, coarse):
        context = L.Concat(conv_bn(maps, 4, 3, 1, 1), conv_bn(conv_bn_relu(maps, 4, 3, 1, 1), 4, 3, 1, 3, dilation=3))
        context = relu(context)
        scores = L.Softmax(L.Reshape(conv(context, 4, 1), shape=dict(dim=[0, 2, -1, 0])))
        rows += [L.Flatten(scores), L.Flatten(conv(context, 8, 1)), L.Flatten(conv(context, 20, 1))]
    n.rows = L.Concat(*rows)
    return n.to_proto()


def arc_face(plain=False):
    """BatchNorm first in each block, PReLU, an embedding with BatchNorm at the end."""
    n = spec(2, 3, 28, 24)
    x = L.PReLU(conv_bn(n.data, 8, 3, 1, 1), in_place=True)
    for maps in (8, 12):
        y = L.Scale(L.BatchNorm(x), bias_term=True, in_place=True)
        y = L.PReLU(conv_bn(y, maps, 3, 1, 1), in_place=True)
        x = L.Eltwise(conv_bn(y, maps, 3, 2, 1), conv_bn(x, maps, 1, 2))
    x = L.Dropout(L.Scale(L.BatchNorm(x, in_place=True), bias_term=True, in_place=True), in_place=True)
    n.embedding = L.Scale(L.BatchNorm(fc(x, 16)), bias_term=True)
    return n.to_proto()


def sphere_face(plain=False):
    """Plain residual blocks with PReLU, an inner product at the end."""
    n = spec(2, 3, 28, 24)
    x = n.data
    for maps in (6, 10):
        x = L.PReLU(conv(x, maps, 3, 2, 1), in_place=True)
        y = L.PReLU(conv(L.PReLU(conv(x, maps, 3, 1, 1), in_place=True), maps, 3, 1, 1), in_place=True)
        x = L.Eltwise(x, y)
    n.fc5 = fc(x, 16)
    return n.to_proto()


def region_net(kind):
    """A head on given regions: VGG-16's and ResNet's of Faster R-CNN, and R-FCN's."""
    n = spec(1, 3, 64, 64)
    n.rois = data(5, 5)
    x = conv_relu(max_pool(conv_relu(n.data, 8, 3, 1, 1), 4, 4), 12, 3, 1, 1)
    if kind == "R-FCN":
        for name, maps in (("cls", 3), ("box", 8)):
            pooled = L.PSROIPooling(conv(x, 9 * maps, 1), n.rois, psroi_pooling_param=dict(
                spatial_scale=0.25, output_dim=maps, group_size=3))
            n[name] = L.Pooling(pooled, pool=P.Pooling.AVE, kernel_size=3, stride=3)
        n.out = L.Concat(L.Softmax(n.cls), n.box)
        return n.to_proto()
    x = L.ROIPooling(x, n.rois, roi_pooling_param=dict(pooled_h=4, pooled_w=4, spatial_scale=0.25))
    if kind == "VGG-16":
        x = relu(fc(relu(fc(x, 24)), 24))
    else:
        x = mean_of_maps(relu(L.Eltwise(conv_bn(x, 16, 1), conv_bn(conv_bn_relu(x, 8, 3, 1, 1), 16, 1))))
    n.out = L.Concat(softmax(fc(x, 3)), fc(x, 12))
    return n.to_proto()
