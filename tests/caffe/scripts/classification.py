"""Classify pictures with names of the classes, and show filters and blobs as squares of tiles."""
import time

import cv2
import numpy as np

import deeplandmark.caffe as caffe

with open("deploy.prototxt", "w") as f:
    f.write("""name: "stripes"
layer { name: "data" type: "Input" top: "data" input_param { shape: { dim: 10 dim: 3 dim: 16 dim: 16 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "conv2" type: "Convolution" bottom: "norm1" top: "conv2"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 2 } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "pool5" type: "Pooling" bottom: "conv2" top: "pool5"
  pooling_param { pool: MAX kernel_size: 7 stride: 7 } }
layer { name: "fc6" type: "InnerProduct" bottom: "pool5" top: "fc6" inner_product_param { num_output: 2 } }
layer { name: "prob" type: "Softmax" bottom: "fc6" top: "prob" }
""")
made = caffe.Net("deploy.prototxt", caffe.TEST)
edge = np.array([[-1., 0, 1]] * 3)
made.params["conv1"][0].data[...] = np.stack([edge, -edge, edge.T, -edge.T])[:, np.newaxis] / 9
made.params["conv2"][0].data[...] = np.arange(1, 73).reshape(4, 2, 3, 3) / 100.
made.params["fc6"][0].data[...] = np.array([[1.] * 8 + [0] * 8, [0] * 8 + [0.25] * 8]) / 100
made.save("stripes.caffemodel")
with open("synset_words.txt", "w") as f:
    f.write("n01 upright stripes, columns\nn02 lying stripes, rows\n")
np.save("mean.npy", np.full((3, 16, 16), 120.))
stripes = np.where(np.arange(32) // 8 % 2, 220, 20).astype(np.uint8)
cv2.imwrite("upright.png", np.repeat(np.tile(stripes, (32, 1))[:, :, np.newaxis], 3, 2))
cv2.imwrite("lying.png", np.repeat(np.tile(stripes[:, np.newaxis], (1, 32))[:, :, np.newaxis], 3, 2))


def vis_square(data):
    """Tiles (n, height, width) or (n, height, width, 3) in a square of about sqrt(n) a side, white between them."""
    data = (data - data.min()) / (data.max() - data.min())
    side = int(np.ceil(np.sqrt(data.shape[0])))
    height, width = data.shape[1] + 1, data.shape[2] + 1
    square = np.ones((side * height, side * width) + data.shape[3:])
    for i, tile in enumerate(data):
        top, left = i // side * height, i % side * width
        square[top:top + height - 1, left:left + width - 1] = tile
    return square


caffe.set_mode_cpu()
net = caffe.Net("deploy.prototxt", "stripes.caffemodel", caffe.TEST)
mu = np.load("mean.npy").mean(1).mean(1)
print("mean-subtracted values:", list(zip("BGR", mu)))
transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
transformer.set_transpose("data", (2, 0, 1))
transformer.set_mean("data", mu)
transformer.set_raw_scale("data", 255)
transformer.set_channel_swap("data", (2, 1, 0))

net.blobs["data"].reshape(50, 3, 16, 16)
image = caffe.io.load_image("upright.png")
net.blobs["data"].data[...] = transformer.preprocess("data", image)
output = net.forward()
output_prob = output["prob"][0].copy()
labels = np.loadtxt("synset_words.txt", str, delimiter="\t")
label = labels[output_prob.argmax()]
top_inds = output_prob.argsort()[::-1][:5]
best = list(zip(output_prob[top_inds], labels[top_inds]))

start = time.time()
for _ in range(3):
    net.forward()
seconds = (time.time() - start) / 3
print("%.1f ms for 50 pictures" % (1000 * seconds))
again = net.blobs["prob"].data[0].copy()

for layer_name, blob in net.blobs.items():
    print(layer_name + "\t" + str(blob.data.shape))
for layer_name, param in net.params.items():
    print(layer_name + "\t" + str(param[0].data.shape), str(param[1].data.shape))

filters = net.params["conv1"][0].data
first_filters = vis_square(filters.transpose(0, 2, 3, 1))
filters = net.params["conv2"][0].data
second_filters = vis_square(filters[:4].reshape(4 * 2, 3, 3))     # two groups: each sees half of the channels
conv1 = vis_square(net.blobs["conv1"].data[0, :36])
pool5 = vis_square(net.blobs["pool5"].data[0])
feat = net.blobs["fc6"].data[0]
histogram = np.histogram(feat.flat[feat.flat > 0], bins=10)
feat = net.blobs["prob"].data[0]
highest = feat.flat[feat.argmax()]

net.blobs["data"].reshape(1, 3, 16, 16)
net.blobs["data"].data[...] = transformer.preprocess("data", caffe.io.load_image("lying.png"))
net.forward()
other_prob = net.blobs["prob"].data[0].flatten()
other_label = labels[other_prob.argsort()[-1:-6:-1]][0]
