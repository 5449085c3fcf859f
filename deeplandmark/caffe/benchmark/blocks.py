"""What well-known nets are made of: a few layers in a row, as Tops (net_spec.py). Weights are drawn by fillers."""
from deeplandmark.caffe.net_spec import layers as L
from deeplandmark.caffe.net_spec import params as P


def data(*shape):
    """The input of a net, named where it is assigned."""
    return L.Input(input_param=dict(shape=[dict(dim=list(shape))]))


def conv(x, maps, kernel, stride=1, pad=0, **more):
    """A convolution with square kernels."""
    return L.Convolution(x, num_output=maps, kernel_size=kernel, stride=stride, pad=pad,
                         weight_filler=dict(type="msra"), bias_filler=dict(value=0.1), **more)


def relu(x, **more):
    """ReLU in place."""
    return L.ReLU(x, in_place=True, **more)


def conv_relu(x, maps, kernel, stride=1, pad=0, **more):
    """A convolution and ReLU in place."""
    return relu(conv(x, maps, kernel, stride, pad, **more))


def batch_norm(x):
    """BatchNorm and Scale, both in place."""
    return L.Scale(L.BatchNorm(x, in_place=True), bias_term=True, in_place=True)


def conv_bn(x, maps, kernel, stride=1, pad=0, **more):
    """A convolution without bias, BatchNorm and Scale."""
    return batch_norm(conv(x, maps, kernel, stride, pad, bias_term=False, **more))


def conv_bn_relu(x, maps, kernel, stride=1, pad=0, **more):
    """A convolution without bias, BatchNorm, Scale and ReLU."""
    return relu(conv_bn(x, maps, kernel, stride, pad, **more))


def depthwise(x, channels, stride=1):
    """Each channel with a kernel of 3 x 3, BatchNorm, Scale and ReLU."""
    return conv_bn_relu(x, channels, 3, stride, 1, group=channels)


def max_pool(x, kernel, stride, pad=0):
    """Largest values, the size rounded up."""
    return L.Pooling(x, pool=P.Pooling.MAX, kernel_size=kernel, stride=stride, pad=pad)


def mean_of_maps(x):
    """The mean of each map."""
    return L.Pooling(x, pool=P.Pooling.AVE, global_pooling=True)


def fc(x, outputs, **more):
    """Products with every value of a row."""
    return L.InnerProduct(x, num_output=outputs, weight_filler=dict(type="xavier"), **more)


def softmax(x):
    """Probabilities of classes."""
    return L.Softmax(x)
