"""The drawing of a net without Graphviz; `caffe.draw` is what users call."""
