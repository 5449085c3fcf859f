"""Net surgery: look into a net, put filters of one's own into it, save it and load it again."""
import numpy as np

import deeplandmark.caffe as caffe

caffe.set_mode_cpu()
with open("conv.prototxt", "w") as f:
    f.write("""name: "convolution"
input: "data"
input_shape { dim: 1 dim: 1 dim: 20 dim: 24 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 5 stride: 1
    weight_filler { type: "gaussian" std: 0.01 } bias_filler { type: "constant" value: 0 } } }
""")
net = caffe.Net("conv.prototxt", caffe.TEST)
print("blobs {}\nparams {}".format(list(net.blobs.keys()), list(net.params.keys())))

image = np.random.RandomState(0).rand(30, 40).astype(np.float32)
net.blobs["data"].reshape(1, 1, *image.shape)
net.blobs["data"].data[...] = image[np.newaxis, np.newaxis, :, :]
net.forward()
shape = net.blobs["conv"].data.shape

# A bias shifts the map; a kernel of our own replaces a learned one.
net.params["conv"][1].data[0] = 1.
before = net.blobs["conv"].data[0, 0].mean()
net.forward()
shift = net.blobs["conv"].data[0, 0].mean() - before
k = np.arange(-2, 3)
blur = np.exp(-(k[:, None] ** 2 + k ** 2) / 4.)
net.params["conv"][0].data[0] = blur / blur.sum()
net.params["conv"][0].data[1, 0] = np.outer([1, 2, 0, -2, -1], [1, 2, 3, 2, 1])
net.params["conv"][0].data[2] *= 0
net.forward()
by_hand = np.array([[(image[i:i + 5, j:j + 5] * net.params["conv"][0].data[1, 0]).sum()
                     for j in range(36)] for i in range(26)])
found = net.blobs["conv"].data[0, 1].copy()

net.save("conv.caffemodel")
again = caffe.Net("conv.prototxt", "conv.caffemodel", caffe.TEST)
same = all((a.data == b.data).all() for a, b in zip(net.params["conv"], again.params["conv"]))
